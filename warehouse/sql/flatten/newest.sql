-- Grain: job of the month, with the time of its newest version.
-- Counts: every job that was ever seen with a body; `versions` are its rows with a body.
-- Leaves out: a job that moved to another month. One that vanished keeps its last body and has vanished_at.
WITH versions AS (
    SELECT
        job_id,
        min(observed_at) FILTER (WHERE http_status = 200) AS first_observed_at,
        max(observed_at) FILTER (WHERE http_status = 200) AS changed_at,
        count(*) FILTER (WHERE http_status = 200) AS versions,
        max(observed_at) FILTER (WHERE http_status = 404) AS gone_at,
        max(observed_at) FILTER (WHERE http_status = 301) AS moved_at
    FROM observations
    GROUP BY job_id
)

SELECT
    job_id,
    first_observed_at,
    changed_at,
    versions,
    CASE WHEN gone_at > changed_at THEN gone_at END AS vanished_at
FROM versions
WHERE versions > 0 AND (moved_at IS NULL OR moved_at < changed_at)
