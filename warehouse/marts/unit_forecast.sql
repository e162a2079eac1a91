-- unit_forecast: The units that the current month will have cost, from what is known so far, the open jobs and the
--   weekdays of the last eight weeks; and in 'backtest' rows what the same method would have said at the end of day 7,
--   14 and 21 of up to 24 months that are over. A job counts in the month of its creation. Counts one kind of units
--   alone: the one that most jobs with units carry of those created in the eight weeks before as_of. A backtest takes
--   units as they are known today, of the jobs that had ended by its day. Leaves out jobs created after the day of
--   as_of, iTwins without jobs in those weeks, and backtests of the ledger's first two months (the month before them is
--   not whole). No rows before a complete walk, nor where no job has units. The interval holds 80 % of the months whose
--   days are like those of the eight weeks before. Where whole months differ by a fifth, it holds half of them until
--   backtests have widened it, and then two thirds early in the month and 85 % late. One row per kind, month of
--   creation, iTwin (or 'all') and day up to which jobs are counted. Key: kind, month, itwin_id, day.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
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
