-- Grain: job in whose newest body a key stands twice, with that body.
WITH torn_jobs AS (
    SELECT job_id FROM parts WHERE shape IN (SELECT form FROM torn_forms)
    UNION
    SELECT job_id FROM parsed WHERE form IN (SELECT form FROM torn_forms)
)

SELECT job_id, body
FROM bodies
WHERE job_id IN (SELECT job_id FROM torn_jobs)
