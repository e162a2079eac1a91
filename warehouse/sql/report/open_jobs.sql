-- open_jobs: The 25 open jobs whose age is most unusual: against the time that 95 % of the finished jobs of their type
--   spent in the phase. Stuck is beyond three times that. One row per job.
SELECT
    open_jobs.job_id,
    coalesce(jobs.name, 'job ' || left(open_jobs.job_id, 8)) AS job,
    coalesce(open_jobs.itwin_name, open_jobs.itwin_id, 'no iTwin') AS itwin,
    open_jobs.itwin_id,
    open_jobs.type,
    open_jobs.state,
    open_jobs.phase,
    open_jobs.in_state_since,
    open_jobs.age_seconds,
    open_jobs.usual_seconds_p95,
    open_jobs.times_p95,
    open_jobs.is_stuck
FROM named.open_jobs
LEFT JOIN jobs ON jobs.job_id = open_jobs.job_id
WHERE open_jobs.itwin_id IS NOT DISTINCT FROM coalesce($itwin, open_jobs.itwin_id)
ORDER BY open_jobs.times_p95 DESC NULLS LAST, open_jobs.age_seconds DESC NULLS LAST, open_jobs.job_id
LIMIT 25
