-- Grain: iTwin that a list ever showed, with its jobs. `listed`: the newest list shows it.
WITH lists AS (
    SELECT listed, started_at FROM name_walks WHERE kind IN ('itwin', 'itwin_list') AND listed IS NOT NULL
),

found AS (
    SELECT itwin_id, min(started_at) AS found_at
    FROM (SELECT unnest(listed) AS itwin_id, started_at FROM lists)
    GROUP BY itwin_id
),

jobs_of_itwins AS (
    SELECT itwin_id, count(*) AS jobs, max(created_at) AS newest_job FROM jobs GROUP BY itwin_id
)

SELECT
    f.itwin_id,
    i.name,
    i.status,
    list_contains((SELECT arg_max(listed, started_at) FROM lists), f.itwin_id) AS listed,
    f.found_at,
    coalesce(j.jobs, 0) AS jobs,
    j.newest_job
FROM found AS f
LEFT JOIN itwins AS i ON i.itwin_id = f.itwin_id
LEFT JOIN jobs_of_itwins AS j ON j.itwin_id = f.itwin_id
ORDER BY jobs DESC, f.itwin_id
