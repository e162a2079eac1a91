-- Grain: job id that stands in several rows, of one month or of several; `month` is the newest of them.
SELECT
    strftime(max(created_at), '%Y-%m') AS month,
    job_id,
    count(*) AS rows,
    min(created_at) AS first_created_at,
    max(created_at) AS last_created_at
FROM jobs
GROUP BY job_id
HAVING count(*) > 1
ORDER BY rows DESC, job_id
