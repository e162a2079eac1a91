-- open_jobs: The jobs that wait or run, how long they have been in their state as of the newest complete walk, and
--   whether that is unusual: longer than three times what 95 % of the finished jobs of the type spent in the phase, the
--   queue or the run. Leaves out jobs that vanished. Ages are null before a complete walk. One row per open job that
--   did not vanish. Key: job_id.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
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

-- A phase of a finished job, and how long it took if that is known.
phases AS (
    SELECT
        jobs.type,
        phases.phase,
        CASE phases.phase
            WHEN 'run' THEN epoch_us(jobs.ended_at) - epoch_us(jobs.started_at)
            ELSE epoch_us(coalesce(jobs.started_at, jobs.ended_at)) - epoch_us(jobs.created_at)
        END AS us
    FROM jobs
    CROSS JOIN (VALUES ('queue'), ('run')) AS phases(phase)
    WHERE jobs.outcome <> 'open'
),

usual AS (
    SELECT
        type,
        phase,
        count(us) AS jobs,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY us) / 1e6 AS seconds_p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY us) / 1e6 AS seconds_p95
    FROM phases
    GROUP BY type, phase
),

stretches AS (
    SELECT
        job_states.job_id,
        max(job_states.first_seen_at) AS first_seen_at
    FROM job_states
    INNER JOIN open_now ON open_now.job_id = job_states.job_id
    GROUP BY job_states.job_id
),

-- The newest complete walk of each window: of an iTwin, or of an identity's own jobs.
windows AS (
    SELECT
        itwin_id,
        identity,
        created_from,
        created_to,
        max(finished_at) AS finished_at
    FROM walks
    WHERE complete
    GROUP BY itwin_id, identity, created_from, created_to
),

-- An identity whose walk of its own jobs has listed the job.
listings AS (
    SELECT DISTINCT
        observations.job_id,
        walks.identity
    FROM observations
    INNER JOIN open_now ON open_now.job_id = observations.job_id
    INNER JOIN walks ON walks.walk_id = observations.walk_id
    WHERE walks.itwin_id IS NULL AND observations.source = 'list'
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
    INNER JOIN listings ON listings.job_id = open_now.job_id
    INNER JOIN windows ON windows.identity = listings.identity
    WHERE
        windows.itwin_id IS NULL
        AND open_now.created_at >= windows.created_from AND open_now.created_at < windows.created_to
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
        open_now.*,
        CASE
            WHEN open_now.state = 'Queued' THEN open_now.created_at
            WHEN open_now.state = 'Active' AND open_now.started_at IS NOT NULL THEN open_now.started_at
            ELSE coalesce(stretches.first_seen_at, open_now.changed_at)
        END AS in_state_since,
        greatest(open_now.changed_at, seen.finished_at) AS last_seen_at
    FROM open_now
    LEFT JOIN stretches ON stretches.job_id = open_now.job_id
    LEFT JOIN seen ON seen.job_id = open_now.job_id
),

timed AS (
    SELECT
        aged.*,
        CASE
            WHEN clock.as_of IS NOT NULL
                THEN greatest(0, epoch_us(clock.as_of) - epoch_us(aged.in_state_since)) / 1e6
        END AS age_seconds
    FROM aged
    CROSS JOIN clock
)

SELECT
    timed.job_id,
    timed.itwin_id,
    timed.type,
    timed.state,
    timed.phase,
    timed.created_at,
    timed.started_at,
    timed.in_state_since,
    timed.age_seconds,
    coalesce(usual.jobs, 0) AS usual_jobs,
    usual.seconds_p50 AS usual_seconds_p50,
    usual.seconds_p95 AS usual_seconds_p95,
    timed.age_seconds / nullif(usual.seconds_p95, 0) AS times_p95,
    CASE WHEN usual.jobs >= 20 THEN timed.age_seconds > 3 * usual.seconds_p95 END AS is_stuck,
    timed.last_seen_at
FROM timed
LEFT JOIN usual ON timed.type IS NOT DISTINCT FROM usual.type AND timed.phase = usual.phase
