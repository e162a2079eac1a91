-- Which jobs each rung of an estimate rests on, as estimates_like_jobs of the mart `estimates`.
-- Grain: rung (how many of the conditions hold, the first ones first) and job, of the newest 200 that are like.
-- Counts: microseconds; run_so_far_us is of a job that runs.
-- Leaves out: jobs without an iTwin.
WITH rung_jobs AS (
    SELECT
        unnest(range(0, levels.level + 1)) AS estimate,
        jobs.*
    FROM levels
    INNER JOIN jobs USING (job_id)
    WHERE jobs.type = $type AND jobs.itwin_id IS NOT NULL
)

SELECT
    rung_jobs.estimate,
    rung_jobs.job_id,
    rung_jobs.outcome,
    rung_jobs.created_at,
    rung_jobs.units,
    rung_jobs.units_source,
    epoch_us(rung_jobs.ended_at) - epoch_us(rung_jobs.started_at) AS run_us,
    so_far_us(rung_jobs.started_at, rung_jobs.ended_at, rung_jobs.outcome, rung_jobs.vanished_at, clock.as_of)
        AS run_so_far_us
FROM rung_jobs
CROSS JOIN clock
QUALIFY row_number() OVER (PARTITION BY rung_jobs.estimate ORDER BY rung_jobs.created_at DESC, rung_jobs.job_id) <= 200
