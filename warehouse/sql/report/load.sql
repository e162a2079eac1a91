-- load: When jobs come, wait and run, by the mean of the last eight weeks before as_of. Of all iTwins. One row per
--   weekday (1: Monday) and UTC hour.
WITH weeks AS (
    SELECT
        isodow(hour) AS weekday,
        date_part('hour', hour) AS hour_of_day,
        created,
        TRY_CAST(queued_seconds AS DECIMAL(24, 6)) AS queued_seconds,
        TRY_CAST(running_seconds AS DECIMAL(24, 6)) AS running_seconds
    FROM hourly_load
    WHERE hour >= date_trunc('hour', $as_of) - INTERVAL 56 DAY AND hour < date_trunc('hour', $as_of)
),

places AS (
    SELECT
        weekdays.weekday,
        hours.hour_of_day
    FROM range(1, 8) AS weekdays (weekday)
    CROSS JOIN range(0, 24) AS hours (hour_of_day)
)

SELECT
    places.weekday,
    places.hour_of_day,
    round(CAST(coalesce(sum(weeks.created), 0) AS DOUBLE) / 8, 3) AS created,
    round(CAST(coalesce(sum(weeks.queued_seconds), 0) AS DOUBLE) / 28800, 4) AS waiting,
    round(CAST(coalesce(sum(weeks.running_seconds), 0) AS DOUBLE) / 28800, 4) AS running
FROM places
LEFT JOIN weeks ON weeks.weekday = places.weekday AND weeks.hour_of_day = places.hour_of_day
GROUP BY places.weekday, places.hour_of_day
ORDER BY places.weekday, places.hour_of_day
