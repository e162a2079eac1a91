-- unit_forecast: what the current month will have cost, and what the same method would have said of months that are
--   over.
-- Grain: kind ('forecast' or 'backtest'), month of creation (UTC), iTwin ('all' for all together) and day of the
--   month: in a forecast the day of as_of, which is not over; in a backtest the days 7, 14 and 21, whole.
-- Counts: one kind of units: the one that most jobs with units carry of those created in the eight weeks before
--   as_of.
--   units_so_far: of the month's jobs that had ended by the cut (and of open ones that show units already).
--   open_units: for each of the month's jobs that was open at the cut, the mean of the jobs of its type that ended in
--   the eight weeks before, those without units counted as 0.
--   remaining_units: for each day that is left of the month (of today, the part that is left), the mean of the same
--   weekday over the eight weeks before. expected_units is the sum of the three.
--   low_units to high_units hold the month's total with 80 %: 1.2816 standard deviations, where days are independent
--   with the variance of their weekday, and the error of the weekday's mean and the spread of the open jobs are added.
--   Where backtests of six or more cuts in months before missed more, it is as wide as held 80 % of them.
--   A backtest takes units as they are known today, of the jobs that had ended by its cut.
-- How: in steps, each a file of its own: unit_forecast_days, _cuts, _itwin_days, _to_come and _months. Here the interval
--   and the errors are added: what the days do not tell (growth, a holiday) shows in how far the backtests of the months
--   before missed.
WITH misses AS (
    SELECT
        itwin_id,
        months_back,
        abs(known_units + open_units + remaining_units - actual_units) / margin AS margins
    FROM unit_forecast_months
    WHERE kind = 'backtest' AND margin > 0
),

widths AS (
    SELECT
        months.until_day,
        months.itwin_id,
        greatest(1, percentile_cont(0.8) WITHIN GROUP (ORDER BY misses.margins)) AS margins
    FROM unit_forecast_months AS months
    INNER JOIN misses
        ON months.itwin_id IS NOT DISTINCT FROM misses.itwin_id AND months.months_back < misses.months_back
    GROUP BY months.until_day, months.itwin_id
    HAVING count(*) >= 6
),

expected_months AS (
    SELECT
        months.*,
        months.known_units + months.open_units + months.remaining_units AS expected_units,
        months.margin * coalesce(widths.margins, 1) AS half_width
    FROM unit_forecast_months AS months
    LEFT JOIN widths
        ON months.until_day = widths.until_day AND months.itwin_id IS NOT DISTINCT FROM widths.itwin_id
),

rounded_months AS (
    SELECT
        kind,
        month,
        itwin_id,
        day,
        units_source,
        jobs,
        finished,
        with_units,
        round(known_units, 6) AS units_so_far,
        open_jobs,
        round(open_units, 6) AS open_units,
        round(remaining_units, 6) AS remaining_units,
        round(expected_units, 6) AS expected_units,
        round(
            CASE WHEN expected_units - half_width < known_units THEN known_units ELSE expected_units - half_width END, 6
        ) AS low_units,
        round(expected_units + half_width, 6) AS high_units,
        round(last_month_units, 6) AS last_month_units,
        round(run_rate_units, 6) AS run_rate_units,
        actual_finished,
        actual_with_units,
        round(actual_units, 6) AS actual_units
    FROM expected_months
)

SELECT
    kind,
    month,
    itwin_id,
    CAST(day AS BIGINT) AS day,
    units_source,
    CAST(jobs AS BIGINT) AS jobs,
    CAST(finished AS BIGINT) AS finished,
    CAST(with_units AS BIGINT) AS with_units,
    units_so_far,
    CAST(open_jobs AS BIGINT) AS open_jobs,
    open_units,
    remaining_units,
    expected_units,
    low_units,
    high_units,
    last_month_units,
    run_rate_units,
    CAST(actual_finished AS BIGINT) AS actual_finished,
    CAST(actual_with_units AS BIGINT) AS actual_with_units,
    actual_units,
    round(expected_units - actual_units, 6) AS error_units,
    round((expected_units - actual_units) / nullif(actual_units, 0), 6) AS error_share,
    round(last_month_units - actual_units, 6) AS last_month_error_units,
    round(run_rate_units - actual_units, 6) AS run_rate_error_units,
    actual_units BETWEEN low_units AND high_units AS in_interval
FROM rounded_months
