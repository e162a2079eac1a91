-- estimates_recent_jobs: the jobs that estimates may rest on.
-- Grain: job, of the newest 500 of its type and iTwin, and so of the newest 500 of its type.
-- Counts: nth is its place among those of its type and iTwin, the newest first; of_type its place among those of its type.
-- Leaves out: jobs without a type or an iTwin.
WITH recent_jobs AS (
    SELECT
        job_id,
        type,
        itwin_id,
        outcome,
        created_at,
        started_at,
        ended_at,
        vanished_at,
        units,
        units_source,
        row_number() OVER (PARTITION BY type, itwin_id ORDER BY created_at DESC, job_id) AS nth
    FROM jobs
    WHERE type IS NOT NULL AND itwin_id IS NOT NULL
    QUALIFY nth <= 500
)

SELECT
    recent_jobs.*,
    row_number() OVER (PARTITION BY type ORDER BY created_at DESC, job_id) AS of_type
FROM recent_jobs
