-- Grain: job whose newest version failed and whose messages are due, with how often the API refused them.
-- Counts: jobs that nobody asked about yet, and those that were refused, after the pause of $pauses_hours that follows the
-- last refusal; a job that was refused once more than there are pauses is given up.
-- Leaves out: jobs that the API answered about, also by 404, which says that there are no messages.
WITH newest AS (
    SELECT job_id, max(observed_at) AS observed_at
    FROM observations
    GROUP BY job_id
),

asked AS (
    SELECT
        job_id,
        count(*) AS refusals,
        max(observed_at) AS asked_at,
        bool_or(http_status = 404 OR body IS NOT NULL) AS answered
    FROM message_observations
    GROUP BY job_id
)

SELECT o.job_id, coalesce(a.refusals, 0) AS refusals
FROM observations AS o
INNER JOIN newest AS n ON n.job_id = o.job_id AND n.observed_at = o.observed_at
LEFT JOIN asked AS a ON a.job_id = o.job_id
WHERE o.http_status = 200
    AND ($mention_one OR contains(o.body, '\'))  -- most bodies do not: their JSON is not read
    AND state_of(o.body) IN ($failed_states)
    AND (
        a.job_id IS NULL
        OR (NOT a.answered AND a.asked_at + to_hours(list_extract($pauses_hours, a.refusals)) <= $now)
    )
ORDER BY o.job_id
