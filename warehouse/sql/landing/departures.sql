-- Grain: job of this month that has moved to another one (a row of `moved`): a row of `observations` without a body.
-- `created_at` is the new time of creation: its month is where the job went.
-- It left just before it was seen in its new month: no two rows of a job are of one time, over all months.
-- Leaves out: a job whose newest row says so already.
SELECT
    m.job_id,
    l.itwin_id,
    m.created_at,
    make_timestamptz(greatest(epoch_us(m.observed_at) - 1, epoch_us(l.last_observed_at) + 1)) AS observed_at,
    301 AS http_status,
    'get' AS source,
    NULL AS walk_id,
    NULL AS body,
    NULL AS body_hash
FROM moved AS m
INNER JOIN last_kept AS l ON l.job_id = m.job_id
WHERE l.http_status <> 301
