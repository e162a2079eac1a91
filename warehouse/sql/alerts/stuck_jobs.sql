-- Grain: open job that is stuck, as open_jobs says it.
-- Leaves out: open jobs of which it is not known whether they are.
SELECT
    open_jobs.job_id,
    open_jobs.type,
    open_jobs.state,
    open_jobs.phase,
    open_jobs.in_state_since,
    open_jobs.age_seconds,
    open_jobs.usual_seconds_p95,
    jobs.name AS job_name,
    open_jobs.itwin_id,
    itwins.name AS itwin_name
FROM open_jobs
LEFT JOIN jobs ON jobs.job_id = open_jobs.job_id
LEFT JOIN itwins ON itwins.itwin_id = open_jobs.itwin_id
WHERE open_jobs.is_stuck
ORDER BY open_jobs.times_p95 DESC, open_jobs.job_id
