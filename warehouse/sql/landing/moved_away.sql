-- Grain: known job of this month whose answer by id tells a time of creation in another month, with that answer.
SELECT
    c.job_id,
    strftime(c.created_at, '%Y-%m') AS month,
    c.created_at,
    c.observed_at,
    s.body
FROM classified AS c
INNER JOIN shown AS s ON s.file = c.file AND s.line = c.line
WHERE c.reason = 'moved'
QUALIFY row_number() OVER (PARTITION BY c.job_id ORDER BY c.observed_at DESC) = 1
