-- Grain: job that is new in this month and stands in another one: it has moved here. `month` is the one that it left.
-- $elsewhere are the rows of `observations` of all other months.
WITH newcomers AS (
    SELECT n.job_id, arg_min(n.created_at, n.observed_at) AS created_at, min(n.observed_at) AS observed_at
    FROM new_versions AS n
    LEFT JOIN last_kept AS l ON l.job_id = n.job_id
    WHERE l.job_id IS NULL OR l.http_status = 301
    GROUP BY n.job_id
)

SELECT n.job_id, e.month, n.created_at, n.observed_at
FROM ($elsewhere) AS e
INNER JOIN newcomers AS n ON n.job_id = e.job_id
GROUP BY n.job_id, e.month, n.created_at, n.observed_at
HAVING arg_max(e.http_status, e.observed_at) <> 301
