-- Grain: known job of the month that this run's walks did not list, with why it is asked for by id.
-- 'gone': a complete walk that covers it no longer lists it. 'open': it came by id alone, no walk covers it, and it is open.
-- A walk covers the jobs of its iTwin; a walk of the caller's own jobs covers those of the users whose jobs such a walk lists,
-- or has listed before.
WITH unseen AS (
    SELECT l.*
    FROM last_kept AS l
    ANTI JOIN (SELECT job_id FROM classified WHERE reason IS NULL) AS s ON s.job_id = l.job_id
    WHERE l.http_status = 200
),

own_users AS (
    SELECT o.body ->> '$.userId' AS user_id
    FROM observations AS o
    INNER JOIN walks AS w ON w.walk_id = o.walk_id
    WHERE w.itwin_id IS NULL AND o.http_status = 200 AND EXISTS (SELECT 1 FROM unseen)
    UNION
    SELECT s.body ->> '$.userId'
    FROM shown AS s
    INNER JOIN classified AS c ON c.file = s.file AND c.line = s.line
    WHERE c.reason IS NULL AND c.source = 'list' AND c.walked_itwin_id IS NULL AND EXISTS (SELECT 1 FROM unseen)
),

own AS (
    SELECT u.job_id
    FROM unseen AS u
    INNER JOIN observations AS o ON o.job_id = u.job_id AND o.observed_at = u.last_observed_at
    WHERE (o.body ->> '$.userId') IN (SELECT user_id FROM own_users)
)

SELECT
    u.job_id,
    u.itwin_id,
    CASE WHEN w.walk_id IS NULL THEN 'open' ELSE 'gone' END AS why,
    w.walk_id
FROM unseen AS u
LEFT JOIN own ON own.job_id = u.job_id
LEFT JOIN walks_of_run AS w
    ON (lower(w.itwin_id) = lower(u.itwin_id) OR (w.itwin_id IS NULL AND own.job_id IS NOT NULL))
WHERE (w.walk_id IS NOT NULL AND w.complete)
    OR (
        w.walk_id IS NULL AND u.only_by_id
        AND u.job_id IN (SELECT job_id FROM open_by_id)
    )
QUALIFY row_number() OVER (PARTITION BY u.job_id ORDER BY w.walk_id) = 1
ORDER BY u.job_id
