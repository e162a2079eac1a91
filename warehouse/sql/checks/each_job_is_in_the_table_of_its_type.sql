-- Grain: job that is missing from the table of its type, stands there twice, or stands in the table of another type.
-- Leaves out: jobs of types that the contract does not know, which have no table.
WITH expected AS (
    SELECT job_id, type FROM jobs WHERE type IN ($job_types)
)

SELECT coalesce(j.job_id, t.job_id) AS job_id, j.type AS type_in_jobs, t.type AS type_of_table, count(*) AS rows
FROM expected AS j
FULL JOIN typed_jobs AS t ON t.job_id = j.job_id
GROUP BY ALL
HAVING j.type IS DISTINCT FROM t.type OR count(*) > 1
ORDER BY job_id
