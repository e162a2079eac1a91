-- Grain: job type. Counts ended jobs; queue time of those that tell when they were created and left the queue, run time of
-- those that ran. Leaves out open jobs, so a type whose long jobs still run looks quicker than it is.
SELECT
    type,
    count(*) AS ended_jobs,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY queue_seconds) AS queue_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY queue_seconds) AS queue_p95,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY run_seconds) AS run_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY run_seconds) AS run_p95
FROM jobs
WHERE outcome <> 'open'
GROUP BY type
ORDER BY ended_jobs DESC, type
