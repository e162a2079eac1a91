-- Grain: job of the month, with the body of its newest version.
-- Counts: every job that was ever seen with a body; `versions` are its rows with a body.
-- Leaves out: nothing; a job that vanished keeps its last body and has vanished_at.
WITH versions AS (
    SELECT
        job_id,
        min(observed_at) FILTER (WHERE http_status = 200) AS first_observed_at,
        max(observed_at) FILTER (WHERE http_status = 200) AS changed_at,
        count(*) FILTER (WHERE http_status = 200) AS versions,
        max(observed_at) FILTER (WHERE http_status = 404) AS gone_at
    FROM observations
    GROUP BY job_id
)
SELECT
    o.job_id,
    o.itwin_id,
    o.created_at,
    v.first_observed_at,
    v.changed_at,
    v.versions,
    CASE WHEN v.gone_at > v.changed_at THEN v.gone_at END AS vanished_at,
    o.body
FROM versions AS v
INNER JOIN observations AS o ON o.job_id = v.job_id AND o.observed_at = v.changed_at
