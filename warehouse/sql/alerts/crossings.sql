-- Grain: row of `over_budget` (iTwin, or 'all') whose units cross the budget in the month of the forecast.
-- Counts: up to the forecast's day, units by the day on which they were known. From that day on: those of the open jobs
--   at once, and what the days that are left should cost, shared out by what their weekdays cost in the eight weeks
--   before, as the forecast does; evenly where nothing was spent then.
-- Leaves out: units of the kind that the forecast does not count.
WITH forecasts AS (
    SELECT
        unit_forecast.*,
        over_budget.budget,
        (unit_forecast.month || '-01')::DATE AS first_day,
        (unit_forecast.month || '-01')::DATE + (unit_forecast.day - 1)::INTEGER AS today
    FROM unit_forecast
    INNER JOIN over_budget ON over_budget.itwin_id = unit_forecast.itwin_id
    WHERE unit_forecast.kind = 'forecast'
),

spent_days AS (
    SELECT
        forecasts.itwin_id,
        units_by_day.created_day::DATE AS created_day,
        units_by_day.known_day::DATE AS known_day,
        sum(units_by_day.units) AS units
    FROM forecasts
    INNER JOIN units_by_day
        ON
            forecasts.itwin_id IN ('all', units_by_day.itwin_id)
            AND forecasts.units_source = units_by_day.units_source
            AND units_by_day.known_day::DATE <= forecasts.today
            AND units_by_day.created_day::DATE >= forecasts.today - 62
    GROUP BY ALL
),

known_days AS (
    SELECT
        forecasts.itwin_id,
        greatest(spent_days.known_day, forecasts.first_day) AS day,
        sum(spent_days.units) AS units
    FROM forecasts
    INNER JOIN spent_days
        ON spent_days.itwin_id = forecasts.itwin_id AND spent_days.created_day >= forecasts.first_day
    GROUP BY ALL
),

usual_weekdays AS (
    SELECT
        forecasts.itwin_id,
        isodow(spent_days.created_day) AS weekday,
        sum(spent_days.units) AS units
    FROM forecasts
    INNER JOIN spent_days
        ON
            spent_days.itwin_id = forecasts.itwin_id
            AND spent_days.created_day BETWEEN forecasts.today - 56 AND forecasts.today - 1
    GROUP BY ALL
),

days_left AS (
    SELECT
        forecasts.itwin_id,
        forecasts.remaining_units,
        left_days.day::DATE AS day,
        coalesce(usual_weekdays.units, 0) + 1e-9 AS weight
    FROM forecasts
    CROSS JOIN LATERAL (
        SELECT unnest(generate_series(forecasts.today, last_day(forecasts.today), INTERVAL 1 DAY)) AS day
    ) AS left_days
    LEFT JOIN usual_weekdays
        ON usual_weekdays.itwin_id = forecasts.itwin_id AND usual_weekdays.weekday = isodow(left_days.day)
),

days AS (
    SELECT itwin_id, day, units FROM known_days
    UNION ALL
    SELECT itwin_id, today AS day, open_units AS units FROM forecasts
    UNION ALL
    SELECT
        itwin_id,
        day,
        remaining_units * weight / sum(weight) OVER (PARTITION BY itwin_id) AS units
    FROM days_left
),

sums AS (
    SELECT
        itwin_id,
        day,
        sum(sum(units)) OVER (PARTITION BY itwin_id ORDER BY day) AS units_by_then
    FROM days
    GROUP BY itwin_id, day
)

SELECT
    sums.itwin_id,
    min(sums.day) AS crossed_on
FROM sums
INNER JOIN forecasts ON forecasts.itwin_id = sums.itwin_id
WHERE sums.units_by_then > forecasts.budget
GROUP BY sums.itwin_id
