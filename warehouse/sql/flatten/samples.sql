-- Grain: job that stands for all others with one of its shapes, or with its form; with its body.
SELECT job_id, body
FROM bodies
WHERE job_id IN (
    SELECT min(job_id) FROM parts GROUP BY shape
    UNION
    SELECT min(job_id) FROM parsed GROUP BY form
)
