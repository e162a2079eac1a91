-- unit_forecast: what the current month will have cost, and what the same method said in months that are over.
-- Grain: kind ('forecast' or 'backtest'), month of creation (UTC), iTwin ('all' for the sum), and the day of the month
--   up to which jobs are counted: for a forecast the day of as_of, begun; for a backtest the days 7, 14 and 21, whole.
-- Counts: units of one kind alone, the one that most of the jobs with units carry that were created in the eight weeks
--   before as_of (then: the one of the job created last). units_so_far: of the month's jobs that had ended by the cut
--   (an open job that shows units already included). open_units: for each of the month's jobs that was open at the
--   cut, the mean units of the jobs of its type that ended in the eight weeks before. remaining_units: for each day of
--   the month that is left, the mean units of the jobs created on that weekday in the eight weeks before the cut (of
--   today, the part that is left). expected_units is the sum of the three. The 80 % interval takes the days to be
--   independent, each with the variance of its weekday, and adds the error of the weekday's mean and the spread of the
--   open jobs. A backtest knows the units as they are today, for the jobs that had ended by its cut.
-- Leaves out: jobs created after as_of; the other kind of units; an expectation with less than a week of history, an
--   interval with less than two; backtests of the first two months (their history is not whole) and of months more
--   than 24 back. Before a complete walk, and where no job has units, there are no rows.
WITH RECURSIVE moments AS (
    SELECT
        as_of,
        epoch_us(as_of) // 86400000000 AS today,
        (epoch_us(as_of) % 86400000000) / 86400e6 AS today_gone,
        date_trunc('month', as_of) AS this_month
    FROM clock
    WHERE as_of IS NOT NULL
),

-- Days are whole days since 1970-01-01, a Thursday: integers are cheap to compare and to count.
seen AS MATERIALIZED (
    SELECT
        jobs.itwin_id,
        jobs.type,
        jobs.job_id,
        jobs.created_at,
        epoch_us(jobs.created_at) // 86400000000 AS created_day,
        CASE WHEN jobs.ended_at < moments.as_of THEN epoch_us(jobs.ended_at) // 86400000000 END AS ended_day,
        jobs.ended_at >= moments.as_of OR (jobs.ended_at IS NULL AND jobs.outcome = 'open') AS is_open,
        CASE WHEN coalesce(jobs.ended_at < moments.as_of, TRUE) THEN jobs.units END AS units,
        jobs.units_source
    FROM jobs
    INNER JOIN moments ON jobs.created_at < moments.as_of
),

chosen_source AS (
    SELECT seen.units_source
    FROM seen
    CROSS JOIN moments
    WHERE seen.units IS NOT NULL AND seen.units_source IS NOT NULL
    GROUP BY seen.units_source
    ORDER BY
        count(*) FILTER (WHERE seen.created_day >= moments.today - 56) DESC,
        max(seen.created_at) DESC,
        seen.units_source DESC
    LIMIT 1
),
SELECT 1
