-- Grain: known job of the month that this run's walks did not list (a row of `unseen`), with why it is asked for by id.
-- 'gone': a complete walk that covers it no longer lists it. 'open': it came by id alone, no walk covers it, and it is open.
-- A walk covers the jobs of its iTwin. A walk of the caller's own jobs covers those that a walk of the same identity listed
-- before, and, of jobs that came another way, those of a user whose jobs this identity alone lists.
WITH own_listings AS (
    -- Who listed what, in walks of the caller's own jobs: those kept, and those of this run.
    SELECT o.job_id, json_extract_string(o.body, '$.userId') AS user_id, w.identity
    FROM observations AS o
    INNER JOIN walks AS w ON w.walk_id = o.walk_id
    WHERE w.itwin_id IS NULL AND o.source = 'list' AND o.http_status = 200
    UNION
    SELECT c.job_id, json_extract_string(s.body, '$.userId'), w.identity
    FROM shown AS s
    INNER JOIN classified AS c ON c.file = s.file AND c.line = s.line
    INNER JOIN walks_of_run AS w ON w.walk_id = c.walk_id
    WHERE c.reason IS NULL AND c.source = 'list' AND c.walked_itwin_id IS NULL
),

-- The users whose jobs one identity alone lists: such a list shows only jobs of the identity that asks.
own_users AS (
    SELECT user_id, any_value(identity) AS identity
    FROM own_listings
    WHERE identity IS NOT NULL
    GROUP BY user_id
    HAVING count(DISTINCT identity) = 1
),

own AS (
    SELECT u.job_id, l.identity
    FROM unseen AS u
    INNER JOIN own_listings AS l ON l.job_id = u.job_id
    UNION
    SELECT u.job_id, p.identity
    FROM unseen AS u
    INNER JOIN observations AS o ON o.job_id = u.job_id AND o.observed_at = u.last_observed_at
    INNER JOIN own_users AS p ON p.user_id = json_extract_string(o.body, '$.userId')
    WHERE u.job_id NOT IN (SELECT job_id FROM own_listings WHERE identity IS NOT NULL)
)

SELECT
    u.job_id,
    u.itwin_id,
    CASE WHEN w.walk_id IS NULL THEN 'open' ELSE 'gone' END AS why,
    w.walk_id
FROM unseen AS u
LEFT JOIN own ON own.job_id = u.job_id
LEFT JOIN walks_of_run AS w
    ON spelled(w.itwin_id) = u.itwin_id OR (w.itwin_id IS NULL AND w.identity = own.identity)
WHERE (w.walk_id IS NOT NULL AND w.complete)
    OR (
        w.walk_id IS NULL AND u.only_by_id
        AND u.job_id IN (SELECT job_id FROM open_by_id)
    )
QUALIFY row_number() OVER (PARTITION BY u.job_id ORDER BY w.walk_id) = 1
ORDER BY u.job_id
