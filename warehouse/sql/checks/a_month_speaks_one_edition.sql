-- Grain: edition of a month in which the API spoke several: its schema changed, or old jobs keep their old shape.
-- Leaves out: jobs whose edition cannot be told.
SELECT edition, count(*) AS jobs, min(created_at) AS first_created_at, max(created_at) AS last_created_at
FROM jobs
WHERE edition IS NOT NULL
GROUP BY edition
QUALIFY count(*) OVER () > 1
ORDER BY edition
