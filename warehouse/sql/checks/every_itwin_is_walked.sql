-- Grain: iTwin of the newest list that walks do not ask for. No rows where they ask for none: the caller's own jobs are walked.
WITH newest_list AS (
    SELECT unnest(arg_max(listed, started_at)) AS itwin_id
    FROM name_walks
    WHERE kind IN ('itwin', 'itwin_list') AND listed IS NOT NULL
)

SELECT l.itwin_id, i.name, i.status
FROM newest_list AS l
LEFT JOIN itwins AS i ON i.itwin_id = l.itwin_id
WHERE len($asked_for) > 0 AND NOT list_contains($asked_for, l.itwin_id)
ORDER BY l.itwin_id
