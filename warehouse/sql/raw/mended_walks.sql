-- Grain: walk of the month, with what has to be added to its times, and when it ended on the API's clock.
-- A skew under two minutes is left: the API tells its time in whole seconds, and answers take their time.
SELECT
    walk_id,
    complete,
    shift_seconds,
    finished_at + to_microseconds(CAST(round(shift_seconds * 1e6) AS BIGINT)) AS finished_at
FROM (
    SELECT
        walk_id,
        complete,
        finished_at,
        CASE
            WHEN on_api_clock IS NULL AND abs(clock_skew_seconds) >= 120 THEN clock_skew_seconds
            ELSE 0
        END AS shift_seconds
    FROM walks
)
