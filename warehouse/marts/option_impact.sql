-- option_impact: one row per job type, option and value; numbers in quartiles of that type's and option's values.
-- Counts: jobs that succeeded. Percentiles are of the jobs that have the value. A 95 % interval of a median is that of
--   its order statistics: the values at the ranks floor((n - 1.96 * sqrt(n)) / 2) and ceil((n + 1.96 * sqrt(n)) / 2) + 1
--   of the n values, held between 1 and n. run_seconds_ratio: each job's run seconds over the median run seconds of the
--   same type's and detector's jobs without this value (another value, or none), and of these the median. Estimated
--   and processing units stay apart.
-- Leaves out: jobs that did not succeed; from an interval, fewer than 20 jobs; from the ratio, fewer than 20 jobs on
--   either side, and jobs whose detector has no job without the value. Where the option is a list, each of its
--   elements is a value, and a job counts once for each.
WITH finished AS (
    SELECT
        jobs.job_id,
        jobs.type,
        jobs.run_seconds,
        jobs.units,
        jobs.units_source,
        coalesce(detectors.detector, '') AS detector
    FROM jobs
    LEFT JOIN (
        SELECT
            job_id,
            min(reference) AS detector
        FROM job_references
        WHERE direction = 'input' AND kind = 'detector' AND role <> 'detector_name'
        GROUP BY job_id
    ) AS detectors ON jobs.job_id = detectors.job_id
    WHERE jobs.outcome = 'success'
),

-- The place of each job among those of its type and detector, by run seconds.
ranked AS MATERIALIZED (
    SELECT
        job_id,
        type,
        run_seconds,
        units,
        units_source,
        dense_rank() OVER (ORDER BY type, detector) AS stratum,
        row_number() OVER (PARTITION BY type, detector, run_seconds IS NULL ORDER BY run_seconds, job_id) AS place
    FROM finished
),
select 1
