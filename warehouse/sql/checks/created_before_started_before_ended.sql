-- Grain: job whose times stand the wrong way round.
SELECT job_id, name, itwin_id, type, state, created_at, started_at, ended_at
FROM jobs
WHERE queue_seconds < 0 OR run_seconds < 0 OR total_seconds < 0
ORDER BY created_at DESC, job_id
