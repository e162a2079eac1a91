-- estimates_backtest_values: what each job took that is tested, or known before one that is.
-- Grain: job and measure.
-- Counts: is_tested tells the newest 1,000 jobs of a type and measure that ended.
-- Leaves out: jobs without a type, an iTwin or an end; measures that are not known; of each type and iTwin the jobs before
--   the 200 that were created before the tested ones.
-- Jobs are taken by whole months: those of the newest 1,000 of the type, and those of the 200 of the iTwin before these.
WITH group_months AS (
    SELECT
        type,
        itwin_id,
        created_month,
        count(*) AS jobs
    FROM jobs
    WHERE type IS NOT NULL AND itwin_id IS NOT NULL AND outcome <> 'open' AND ended_at IS NOT NULL
    GROUP BY type, itwin_id, created_month
),

type_months AS (
    SELECT
        type,
        created_month,
        sum(sum(jobs)) OVER (PARTITION BY type ORDER BY created_month DESC ROWS UNBOUNDED PRECEDING) - sum(jobs) AS later
    FROM group_months
    GROUP BY type, created_month
),

-- Of the months before those of tested jobs, the newest ones.
later_jobs AS (
    SELECT
        group_months.type,
        group_months.itwin_id,
        group_months.created_month,
        type_months.later < 1000 AS may_be_tested,
        sum(CASE WHEN type_months.later < 1000 THEN 0 ELSE group_months.jobs END) OVER (
            PARTITION BY group_months.type, group_months.itwin_id
            ORDER BY group_months.created_month DESC ROWS UNBOUNDED PRECEDING
        ) - group_months.jobs AS later
    FROM group_months
    INNER JOIN type_months USING (type, created_month)
),

ended_jobs AS (
    SELECT
        jobs.job_id,
        jobs.type,
        jobs.itwin_id,
        later_jobs.may_be_tested,
        epoch_us(jobs.created_at) AS created_us,
        epoch_us(jobs.ended_at) AS ended_us,
        jobs.run_seconds,
        CASE WHEN jobs.units_source = 'estimatedUnits' THEN jobs.units END AS estimated_units,
        CASE WHEN jobs.units_source = 'processingUnits' THEN jobs.units END AS processing_units
    FROM later_jobs
    INNER JOIN jobs USING (type, itwin_id, created_month)
    WHERE later_jobs.later < 200 AND jobs.outcome <> 'open' AND jobs.ended_at IS NOT NULL
),

measured_jobs AS (
    SELECT
        ended_jobs.job_id,
        ended_jobs.type,
        ended_jobs.itwin_id,
        ended_jobs.may_be_tested,
        ended_jobs.created_us,
        ended_jobs.ended_us,
        measures.measure,
        CASE measures.measure
            WHEN 'run_seconds' THEN ended_jobs.run_seconds
            WHEN 'estimated_units' THEN ended_jobs.estimated_units
            ELSE ended_jobs.processing_units
        END AS actual
    FROM ended_jobs
    CROSS JOIN (VALUES ('run_seconds'), ('estimated_units'), ('processing_units')) AS measures(measure)
)

SELECT
    job_id,
    type,
    itwin_id,
    created_us,
    ended_us,
    measure,
    actual,
    may_be_tested
    AND row_number() OVER (PARTITION BY type, measure, may_be_tested ORDER BY created_us DESC, job_id) <= 1000
        AS is_tested
FROM measured_jobs
WHERE actual IS NOT NULL
