-- Grain: month of creation and iTwin (null: the caller's own jobs) whose newest walk is not complete.
-- Leaves out: iTwins that walks no longer ask for, which no walk can complete any more.
SELECT
    strftime(newest_walks.created_from, '%Y-%m') AS month,
    newest_walks.itwin_id,
    itwins.name AS itwin_name,
    coalesce(newest_walks.finished_at, newest_walks.started_at) AS walked_at,
    newest_walks.error,
    newest_walks.run_id
FROM (
    SELECT *
    FROM walks
    QUALIFY
        row_number() OVER (
            PARTITION BY created_from, itwin_id ORDER BY coalesce(finished_at, started_at) DESC, walk_id
        ) = 1
) AS newest_walks
INNER JOIN asked_for ON asked_for.itwin_id IS NOT DISTINCT FROM newest_walks.itwin_id
LEFT JOIN itwins ON itwins.itwin_id = newest_walks.itwin_id
WHERE NOT newest_walks.complete
ORDER BY month, newest_walks.itwin_id NULLS FIRST
