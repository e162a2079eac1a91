-- Grain: job id that stands in several rows.
SELECT job_id, count(*) AS rows, min(created_at) AS first_created_at, max(created_at) AS last_created_at
FROM jobs
GROUP BY job_id
HAVING count(*) > 1
ORDER BY rows DESC, job_id
