-- One row, if a list of iTwins ever came: the first list, the newest one, and when that was noted.
SELECT
    arg_min(listed, started_at) AS first_list,
    arg_max(listed, started_at) AS newest_list,
    max(started_at) AS noted_at
FROM name_walks
WHERE kind IN ('itwin', 'itwin_list') AND listed IS NOT NULL
HAVING count(*) > 0
