-- estimates_backtest_moments: when it became known what like jobs took, and when that was asked for.
-- Grain: pool of like jobs (of a type and measure: those of an iTwin, or 'all') and moment: the end of a job, or the creation
--   of a tested one.
-- Counts: known is how many jobs of the pool had ended by then, at an end this one included. Of one microsecond, what is
--   created comes before what ends.
-- Leaves out: nothing.
WITH pools AS (
    SELECT
        type,
        measure,
        itwin_id,
        row_number() OVER (ORDER BY type NULLS LAST, measure NULLS LAST, itwin_id NULLS LAST) AS pool
    FROM estimates_backtest_values
    GROUP BY type, measure, itwin_id
),

members AS (
    SELECT
        pools.pool,
        FALSE AS is_all,
        jobs.*
    FROM estimates_backtest_values AS jobs
    INNER JOIN pools ON jobs.type = pools.type AND jobs.measure = pools.measure AND jobs.itwin_id = pools.itwin_id
    UNION ALL
    SELECT
        -pools.pool AS pool,
        TRUE AS is_all,
        jobs.*
    FROM estimates_backtest_values AS jobs
    INNER JOIN (SELECT type, measure, min(pool) AS pool FROM pools GROUP BY type, measure) AS pools
        ON jobs.type = pools.type AND jobs.measure = pools.measure
),

moments AS (
    SELECT
        pool,
        is_all,
        job_id,
        type,
        measure,
        actual,
        ended_us AS at_us,
        1 AS is_end
    FROM members
    UNION ALL
    SELECT
        pool,
        is_all,
        job_id,
        type,
        measure,
        actual,
        created_us AS at_us,
        0 AS is_end
    FROM members
    WHERE is_tested
)

SELECT
    pool,
    is_all,
    job_id,
    type,
    measure,
    actual,
    is_end,
    CAST(
        sum(is_end) OVER (
            PARTITION BY pool ORDER BY at_us NULLS LAST, is_end NULLS LAST, job_id ROWS UNBOUNDED PRECEDING
        ) AS BIGINT
    ) AS known
FROM moments
