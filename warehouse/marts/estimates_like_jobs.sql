-- estimates_like_jobs: the jobs that each estimate rests on.
-- Grain: estimate (a type and an iTwin, or 'all') and job, of the newest 200 that are like.
-- Counts: microseconds; run_so_far_us is of a job that runs.
-- Leaves out: jobs without a type or an iTwin.
-- Jobs are sorted only where they may be among the newest: those of whole months, the newest ones with 200 jobs.
WITH group_months AS (
    SELECT
        type,
        itwin_id,
        created_month,
        count(*) AS jobs
    FROM jobs
    WHERE type IS NOT NULL AND itwin_id IS NOT NULL
    GROUP BY type, itwin_id, created_month
),

later_jobs AS (
    SELECT
        type,
        itwin_id,
        created_month,
        sum(jobs) OVER (PARTITION BY type, itwin_id ORDER BY created_month DESC ROWS UNBOUNDED PRECEDING) - jobs AS later
    FROM group_months
),

itwin_jobs AS (
    SELECT
        jobs.*,
        row_number() OVER (
            PARTITION BY jobs.type, jobs.itwin_id ORDER BY jobs.created_at DESC, jobs.job_id
        ) AS of_itwin
    FROM later_jobs
    INNER JOIN jobs
        ON
            later_jobs.type = jobs.type AND later_jobs.itwin_id = jobs.itwin_id
            AND later_jobs.created_month = jobs.created_month
    WHERE later_jobs.later < 200
    QUALIFY of_itwin <= 200
),

type_jobs AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY type ORDER BY created_at DESC, job_id) AS of_type
    FROM itwin_jobs
),

like_jobs AS (
    SELECT
        type || '/' || itwin_id AS estimate,
        *
    FROM type_jobs
    UNION ALL
    SELECT
        type || '/all' AS estimate,
        *
    FROM type_jobs
    WHERE of_type <= 200
)

SELECT
    like_jobs.estimate,
    like_jobs.job_id,
    like_jobs.type,
    like_jobs.itwin_id,
    like_jobs.outcome,
    like_jobs.created_at,
    like_jobs.units,
    like_jobs.units_source,
    epoch_us(like_jobs.ended_at) - epoch_us(like_jobs.started_at) AS run_us,
    so_far_us(like_jobs.started_at, like_jobs.ended_at, like_jobs.outcome, like_jobs.vanished_at, clock.as_of)
        AS run_so_far_us
FROM like_jobs
CROSS JOIN clock
