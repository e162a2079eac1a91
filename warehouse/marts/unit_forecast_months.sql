-- unit_forecast_months: what is expected at each cut of an iTwin's month, and what the month did cost.
-- Grain: cut (until_day) and iTwin ('all' for all together).
-- Counts: jobs created in the month by the cut, what was known of them, and last_month_units of the month before.
--   remaining_units is null with less than a week of history. margin is how far 80 % lie from the month's total, by
--   Student's t of the days to come and the open jobs; null with less than two weeks of history. What the month did cost is null in the forecast. All is in units.
WITH sums_so_far AS (
    SELECT
        cuts.until_day,
        itwin_days.itwin_id,
        sum(itwin_days.jobs) FILTER (WHERE itwin_days.day >= cuts.first_day) AS jobs,
        sum(itwin_days.finished) FILTER (WHERE itwin_days.day >= cuts.first_day) AS finished,
        sum(itwin_days.with_units) FILTER (WHERE itwin_days.day >= cuts.first_day) AS with_units,
        sum(itwin_days.known_units) FILTER (WHERE itwin_days.day >= cuts.first_day) AS known_units,
        sum(itwin_days.open_jobs) FILTER (WHERE itwin_days.day >= cuts.first_day) AS open_jobs,
        sum(itwin_days.open_units) FILTER (WHERE itwin_days.day >= cuts.first_day) AS open_units,
        sum(itwin_days.open_variance ORDER BY itwin_days.day) FILTER (WHERE itwin_days.day >= cuts.first_day)
            AS open_variance,
        sum(itwin_days.known_units)
            FILTER (WHERE itwin_days.day >= cuts.previous_first_day AND itwin_days.day < cuts.first_day)
            AS last_month_units
    FROM unit_forecast_itwin_days AS itwin_days
    INNER JOIN unit_forecast_cuts AS cuts ON itwin_days.until_day = cuts.until_day
    GROUP BY cuts.until_day, itwin_days.itwin_id
),

past_spans AS (
    SELECT DISTINCT
        months_back,
        numbers_between(first_day, next_first_day - 1) AS days
    FROM unit_forecast_cuts
    WHERE months_back > 0
),

past_days AS (
    SELECT
        months_back,
        unnest(days) AS day
    FROM past_spans
),

past_itwin_months AS (
    SELECT
        past_days.months_back,
        days.itwin_id,
        sum(days.finished) AS finished,
        sum(days.with_units) AS with_units,
        sum(days.units) AS units
    FROM past_days
    INNER JOIN unit_forecast_days AS days ON past_days.day = days.created_day
    GROUP BY past_days.months_back, days.itwin_id
),

past_months AS (
    SELECT * FROM past_itwin_months
    UNION ALL
    SELECT
        months_back,
        'all' AS itwin_id,
        sum(finished) AS finished,
        sum(with_units) AS with_units,
        sum(units) AS units
    FROM past_itwin_months
    GROUP BY months_back
)

SELECT
    cuts.kind,
    cuts.month,
    cuts.months_back,
    so_far.until_day,
    so_far.itwin_id,
    cuts.until_day - cuts.first_day AS day,
    cuts.units_source,
    coalesce(so_far.jobs, 0) AS jobs,
    coalesce(so_far.finished, 0) AS finished,
    coalesce(so_far.with_units, 0) AS with_units,
    units_of(coalesce(so_far.known_units, 0)) AS known_units,
    coalesce(so_far.open_jobs, 0) AS open_jobs,
    units_of(coalesce(so_far.open_units, 0)) AS open_units,
    CASE WHEN cuts.history_days >= 7 THEN coalesce(to_come.units, 0) END AS remaining_units,
    CASE
        WHEN cuts.history_days >= 14
            THEN margin80(
                coalesce(to_come.variance, 0) + coalesce(so_far.open_variance, 0), to_come.squares_by_freedom
            )
    END AS margin,
    units_of(coalesce(so_far.last_month_units, 0)) AS last_month_units,
    units_of(coalesce(so_far.known_units, 0)) * (cuts.next_first_day - cuts.first_day)
    / nullif(cuts.full_until_day - cuts.first_day + cuts.gone_share, 0) AS run_rate_units,
    CASE cuts.kind WHEN 'backtest' THEN coalesce(past.finished, 0) END AS actual_finished,
    CASE cuts.kind WHEN 'backtest' THEN coalesce(past.with_units, 0) END AS actual_with_units,
    CASE cuts.kind WHEN 'backtest' THEN units_of(coalesce(past.units, 0)) END AS actual_units
FROM sums_so_far AS so_far
INNER JOIN unit_forecast_cuts AS cuts ON so_far.until_day = cuts.until_day
LEFT JOIN unit_forecast_to_come AS to_come
    ON so_far.until_day = to_come.until_day AND so_far.itwin_id IS NOT DISTINCT FROM to_come.itwin_id
LEFT JOIN past_months AS past
    ON cuts.months_back = past.months_back AND so_far.itwin_id IS NOT DISTINCT FROM past.itwin_id
