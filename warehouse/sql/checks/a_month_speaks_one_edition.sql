-- Grain: month and edition, of months in which the API spoke several: its schema changed, or old jobs keep their old shape.
-- Leaves out: jobs whose edition cannot be told.
WITH spoken AS (
    SELECT
        created_month AS month,
        edition,
        count(*) AS jobs,
        min(created_at) AS first_created_at,
        max(created_at) AS last_created_at
    FROM jobs
    WHERE edition IS NOT NULL
    GROUP BY ALL
)

SELECT *
FROM spoken
WHERE month IN (SELECT month FROM spoken GROUP BY month HAVING count(*) > 1)
ORDER BY month DESC, edition
