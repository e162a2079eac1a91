-- Grain: job that is not open and does not tell when it ended.
SELECT job_id, name, itwin_id, type, state, created_at, started_at
FROM jobs
WHERE outcome <> 'open' AND ended_at IS NULL
ORDER BY created_at DESC, job_id
