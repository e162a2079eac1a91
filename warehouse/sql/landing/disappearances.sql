-- Grain: job that a complete walk no longer lists and whose GET says 404: a row of `observations` without a body.
SELECT
    l.job_id,
    l.itwin_id,
    o.created_at,
    make_timestamptz(greatest(epoch_us(w.finished_at), epoch_us(l.last_observed_at) + 1)) AS observed_at,
    404 AS http_status,
    'get' AS source,
    g.walk_id,
    NULL AS body,
    NULL AS body_hash
FROM gone AS g
INNER JOIN walks_of_run AS w ON w.walk_id = g.walk_id
INNER JOIN last_kept AS l ON l.job_id = g.job_id
INNER JOIN observations AS o ON o.job_id = l.job_id AND o.observed_at = l.last_observed_at
