-- Grain: job whose versions tell different months of creation; `month` is the newest of them.
SELECT
    strftime(max(created_at), '%Y-%m') AS month,
    job_id,
    min(created_at) AS first_created_at,
    max(created_at) AS last_created_at
FROM observations
WHERE http_status IS DISTINCT FROM 301
GROUP BY job_id
HAVING date_trunc('month', min(created_at)) <> date_trunc('month', max(created_at))
ORDER BY job_id
