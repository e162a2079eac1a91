-- retry_chains: one row per chain of at least two attempts at the same work.
-- Counts: jobs of the same iTwin, type and set of inputs (canonical role and reference, as text), in order of creation
--   (ties by job id). A job goes on with the chain of the job before it when that one had failed or was cancelled by
--   the time this one was created. Else it begins a chain of its own: after a success, beside a job that was still
--   open then, and where the end of the job before is not known. Options may differ. Vanished jobs count.
-- Leaves out: jobs without any input, and chains of one attempt.
WITH inputs AS (
    SELECT
        job_id,
        coalesce(type, '') AS type,
        role,
        reference,
        kind
    FROM job_references
    WHERE direction = 'input' AND reference IS NOT NULL
),

-- Only jobs that share an input with one that did not succeed can be on a chain: the sets of inputs, which cost much
-- to write out, are made for these alone. A detector tells little, so the first input that is none is looked for.
anchors AS (
    SELECT
        min(inputs.type) AS type,
        coalesce(
            min(inputs.reference) FILTER (WHERE inputs.kind IS DISTINCT FROM 'detector'), min(inputs.reference)
        ) AS reference
    FROM jobs
    INNER JOIN inputs ON jobs.job_id = inputs.job_id
    WHERE jobs.outcome IN ('failed', 'cancelled')
    GROUP BY jobs.job_id
),

candidates AS (
    SELECT DISTINCT job_id
    FROM inputs
    WHERE (type, reference) IN (SELECT type, reference FROM anchors)
),

same_inputs AS (
    SELECT
        inputs.job_id,
        string_agg(
            DISTINCT inputs.role || chr(31) || inputs.reference,
            chr(30) ORDER BY inputs.role || chr(31) || inputs.reference
        ) AS fingerprint
    FROM inputs
    INNER JOIN candidates ON inputs.job_id = candidates.job_id
    GROUP BY inputs.job_id
),

in_order AS (
    SELECT
        jobs.job_id,
        jobs.itwin_id,
        jobs.type,
        jobs.user_id,
        jobs.outcome,
        jobs.created_at,
        jobs.ended_at,
        jobs.units,
        jobs.units_source,
        same_inputs.fingerprint,
        coalesce(
            lag(jobs.outcome) OVER earlier IN ('failed', 'cancelled')
            AND lag(jobs.ended_at) OVER earlier <= jobs.created_at,
            FALSE
        ) AS goes_on
    FROM jobs
    INNER JOIN same_inputs ON jobs.job_id = same_inputs.job_id
    WINDOW earlier AS (
        PARTITION BY jobs.itwin_id, jobs.type, same_inputs.fingerprint
        ORDER BY jobs.created_at, jobs.job_id
    )
),

numbered AS (
    SELECT
        *,
        count(*) FILTER (WHERE NOT goes_on) OVER so_far AS chain
    FROM in_order
    WINDOW so_far AS (
        PARTITION BY itwin_id, type, fingerprint
        ORDER BY created_at, job_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),

placed AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY itwin_id, type, fingerprint, chain ORDER BY created_at, job_id
        ) AS attempt,
        count(*) OVER (PARTITION BY itwin_id, type, fingerprint, chain) AS attempts,
        outcome IN ('failed', 'cancelled') AS is_wasted
    FROM numbered
),

chains AS (
    SELECT
        itwin_id,
        type,
        fingerprint,
        chain,
        max(job_id) FILTER (WHERE attempt = 1) AS first_job_id,
        max(user_id) FILTER (WHERE attempt = 1) AS user_id,
        max(job_id) FILTER (WHERE attempt = attempts) AS last_job_id,
        max(outcome) FILTER (WHERE attempt = attempts) AS last_outcome,
        max(ended_at) FILTER (WHERE outcome = 'success') AS solved_at,
        min(created_at) AS first_created_at,
        count(*) AS attempts,
        count(*) FILTER (WHERE outcome <> 'open') AS finished_attempts,
        count(units) FILTER (WHERE outcome <> 'open') AS finished_with_units,
        round(sum(units) FILTER (WHERE units_source = 'estimatedUnits'), 6) AS estimated_units,
        round(sum(units) FILTER (WHERE units_source = 'processingUnits'), 6) AS processing_units,
        count(*) FILTER (WHERE is_wasted) AS wasted_attempts,
        count(units) FILTER (WHERE is_wasted) AS wasted_with_units,
        round(sum(units) FILTER (WHERE is_wasted AND units_source = 'estimatedUnits'), 6) AS wasted_estimated_units,
        round(sum(units) FILTER (WHERE is_wasted AND units_source = 'processingUnits'), 6) AS wasted_processing_units
    FROM placed
    WHERE attempts > 1
    GROUP BY itwin_id, type, fingerprint, chain
)

SELECT
    first_job_id AS chain_id,
    itwin_id,
    type,
    user_id,
    first_job_id,
    last_job_id,
    attempts,
    CASE last_outcome WHEN 'success' THEN 'solved' WHEN 'open' THEN 'open' ELSE 'given_up' END AS result,
    first_created_at,
    solved_at,
    (epoch_us(solved_at) - epoch_us(first_created_at)) / 1e6 AS elapsed_seconds,
    finished_attempts,
    finished_with_units,
    finished_with_units / nullif(finished_attempts, 0)::DOUBLE AS units_coverage,
    estimated_units,
    processing_units,
    wasted_attempts,
    wasted_with_units,
    wasted_estimated_units,
    wasted_processing_units
FROM chains
ORDER BY chain_id
