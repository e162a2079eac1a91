-- lineage: What the dearest deliverable was made from: each job before it, and the job that used its result. Steps are
--   counted by the longest way from the deliverable. Leaves out what lies more than 12 steps back, and all but the 60
--   nearest. One row per pair of jobs.
WITH RECURSIVE ways AS (
    SELECT
        producer_job_id,
        consumer_job_id,
        1 AS step
    FROM reference_lineage
    WHERE consumer_job_id = $deliverable

    UNION

    SELECT
        before.producer_job_id,
        before.consumer_job_id,
        ways.step + 1 AS step
    FROM ways
    INNER JOIN reference_lineage AS before ON before.consumer_job_id = ways.producer_job_id
    WHERE ways.step < 12
),

pairs AS (
    SELECT
        producer_job_id,
        consumer_job_id,
        max(step) AS step
    FROM ways
    GROUP BY producer_job_id, consumer_job_id
)

SELECT
    pairs.step,
    pairs.producer_job_id,
    pairs.consumer_job_id,
    coalesce(jobs.name, 'job ' || left(jobs.job_id, 8)) AS job,
    jobs.type,
    jobs.state,
    CASE WHEN jobs.units_source = $kind THEN jobs.units END AS units
FROM pairs
INNER JOIN jobs ON jobs.job_id = pairs.producer_job_id
ORDER BY pairs.step, jobs.created_at, pairs.producer_job_id, pairs.consumer_job_id
LIMIT 60
