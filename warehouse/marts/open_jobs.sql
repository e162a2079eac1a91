-- open_jobs: the jobs that wait or run, and whether that is longer than usual.
-- Grain: open job that did not vanish.
-- Counts: age is as_of minus the best known begin of its state: started_at for Active, created_at for Queued, else when
--   polling first saw the state. Usual is the time that finished jobs of the type spent in the phase: the queue for a
--   job that did not start, the run for one that did (or is Active).
-- Leaves out: finished and vanished jobs. is_stuck is null where fewer than 20 finished jobs tell what is usual. Ages
--   are null before there is an as_of. A walk counts as having seen a job if it was complete, its window holds the
--   job, and it walked the job's iTwin; a walk of the caller's own jobs counts if such a walk has shown a version of
--   the job.
WITH open_now AS (
    SELECT
        job_id,
        itwin_id,
        type,
        state,
        created_at,
        started_at,
        changed_at,
        CASE WHEN started_at IS NOT NULL OR state = 'Active' THEN 'run' ELSE 'queue' END AS phase
    FROM jobs
    WHERE outcome = 'open' AND vanished_at IS NULL
),

usual AS (
    SELECT
        type,
        count(started_at) FILTER (WHERE ended_at IS NOT NULL) AS run_jobs,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY epoch_us(ended_at) - epoch_us(started_at)) / 1e6 AS run_p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY epoch_us(ended_at) - epoch_us(started_at)) / 1e6 AS run_p95,
        count(coalesce(started_at, ended_at)) AS queue_jobs,
        percentile_cont(0.5) WITHIN GROUP (
            ORDER BY epoch_us(coalesce(started_at, ended_at)) - epoch_us(created_at)
        ) / 1e6 AS queue_p50,
        percentile_cont(0.95) WITHIN GROUP (
            ORDER BY epoch_us(coalesce(started_at, ended_at)) - epoch_us(created_at)
        ) / 1e6 AS queue_p95
    FROM jobs
    WHERE outcome <> 'open'
    GROUP BY type
),

stretches AS (
    SELECT
        job_states.job_id,
        max(job_states.first_seen_at) AS first_seen_at
    FROM job_states
    INNER JOIN open_now ON open_now.job_id = job_states.job_id
    GROUP BY job_states.job_id
),

-- The newest complete walk of each window.
windows AS (
    SELECT
        itwin_id,
        created_from,
        created_to,
        max(finished_at) AS finished_at
    FROM walks
    WHERE complete
    GROUP BY itwin_id, created_from, created_to
),

own_jobs AS (
    SELECT DISTINCT observations.job_id
    FROM observations
    INNER JOIN open_now ON open_now.job_id = observations.job_id
    INNER JOIN walks ON walks.walk_id = observations.walk_id
    WHERE walks.itwin_id IS NULL
),

sightings AS (
    SELECT
        open_now.job_id,
        windows.finished_at
    FROM open_now
    INNER JOIN windows ON windows.itwin_id = open_now.itwin_id
    WHERE open_now.created_at >= windows.created_from AND open_now.created_at < windows.created_to
    UNION ALL
    SELECT
        open_now.job_id,
        windows.finished_at
    FROM open_now
    INNER JOIN own_jobs ON own_jobs.job_id = open_now.job_id
    INNER JOIN windows ON open_now.created_at >= windows.created_from AND open_now.created_at < windows.created_to
    WHERE windows.itwin_id IS NULL
),

seen AS (
    SELECT
        job_id,
        max(finished_at) AS finished_at
    FROM sightings
    GROUP BY job_id
),

aged AS (
    SELECT
        open_now.job_id,
        open_now.itwin_id,
        open_now.type,
        open_now.state,
        open_now.phase,
        open_now.created_at,
        open_now.started_at,
        CASE
            WHEN open_now.state = 'Queued' THEN open_now.created_at
            WHEN open_now.state = 'Active' AND open_now.started_at IS NOT NULL THEN open_now.started_at
            ELSE coalesce(stretches.first_seen_at, open_now.changed_at)
        END AS in_state_since,
        CASE WHEN open_now.phase = 'run' THEN usual.run_jobs ELSE usual.queue_jobs END AS usual_jobs,
        CASE WHEN open_now.phase = 'run' THEN usual.run_p50 ELSE usual.queue_p50 END AS usual_seconds_p50,
        CASE WHEN open_now.phase = 'run' THEN usual.run_p95 ELSE usual.queue_p95 END AS usual_seconds_p95,
        CASE
            WHEN open_now.changed_at >= seen.finished_at THEN open_now.changed_at
            ELSE coalesce(seen.finished_at, open_now.changed_at)
        END AS last_seen_at
    FROM open_now
    LEFT JOIN usual ON usual.type IS NOT DISTINCT FROM open_now.type
    LEFT JOIN stretches ON stretches.job_id = open_now.job_id
    LEFT JOIN seen ON seen.job_id = open_now.job_id
),

timed AS (
    SELECT
        aged.*,
        CASE
            WHEN clock.as_of >= aged.in_state_since
                THEN (epoch_us(clock.as_of) - epoch_us(aged.in_state_since)) / 1e6
            WHEN clock.as_of < aged.in_state_since THEN 0
        END AS age_seconds
    FROM aged
    CROSS JOIN clock
)

SELECT
    job_id,
    itwin_id,
    type,
    state,
    phase,
    created_at,
    started_at,
    in_state_since,
    age_seconds,
    coalesce(usual_jobs, 0) AS usual_jobs,
    usual_seconds_p50,
    usual_seconds_p95,
    age_seconds / nullif(usual_seconds_p95, 0) AS times_p95,
    CASE WHEN usual_jobs >= 20 THEN age_seconds > 3 * usual_seconds_p95 END AS is_stuck,
    last_seen_at
FROM timed
