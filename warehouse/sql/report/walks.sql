-- walks: Whether the newest walk of each month and iTwin came to its proven end, and when it did. One row per month of
--   creation.
WITH newest AS (
    SELECT
        strftime(created_from, '%Y-%m') AS month,
        complete,
        finished_at,
        error,
        row_number() OVER (
            PARTITION BY created_from, itwin_id, identity ORDER BY finished_at DESC NULLS LAST, walk_id
        ) AS nth
    FROM walks
    WHERE itwin_id IS NOT DISTINCT FROM coalesce($itwin, itwin_id)
)

SELECT
    month,
    count(*) FILTER (WHERE complete) AS complete,
    count(*) FILTER (WHERE NOT complete) AS incomplete,
    min(finished_at) FILTER (WHERE complete) AS oldest_complete_at,
    max(error) AS error
FROM newest
WHERE nth = 1 AND month BETWEEN $first AND $last
GROUP BY month
ORDER BY month
