-- retry_chains: The same work tried again until it worked or was given up: jobs of one iTwin, type and set of inputs
--   (canonical role and reference, as text), in order of creation, ties by job id. A job goes on with the chain of the
--   one before it where that had failed or was cancelled by the time this one was created; else it begins a chain of
--   its own: after a success, beside a job that was still open then, and where the end of the one before is not known.
--   Counts all jobs with inputs, vanished ones too; options may differ. Leaves out jobs without inputs, and chains of
--   one attempt. One row per chain of at least two attempts. Key: chain_id.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
-- How: sets of numbers are compared at a fraction of what sets of texts cost, so each distinct input gets a number first.
WITH distinct_inputs AS (
    SELECT
        role,
        reference,
        row_number() OVER (ORDER BY role, reference NULLS LAST) AS input
    FROM job_references
    WHERE direction = 'input' AND reference IS NOT NULL
    GROUP BY role, reference
),

inputs_of_jobs AS (
    SELECT
        job_references.job_id,
        array_sort(array_distinct(array_agg(distinct_inputs.input))) AS inputs
    FROM job_references
    INNER JOIN distinct_inputs
        ON job_references.role = distinct_inputs.role AND job_references.reference = distinct_inputs.reference
    WHERE job_references.direction = 'input'
    GROUP BY job_references.job_id
),

attempts AS (
    SELECT
        jobs.job_id,
        jobs.itwin_id,
        jobs.type,
        inputs_of_jobs.inputs,
        jobs.created_at,
        CASE WHEN jobs.outcome IN ('failed', 'cancelled') THEN jobs.ended_at END AS lost_at
    FROM jobs
    INNER JOIN inputs_of_jobs ON jobs.job_id = inputs_of_jobs.job_id
),

-- Work at which a job was lost, by the name of one such job: other work has no chain.
lost_works AS (
    SELECT
        itwin_id,
        type,
        inputs,
        min(job_id) AS work
    FROM attempts
    WHERE lost_at IS NOT NULL
    GROUP BY itwin_id, type, inputs
),

attempts_in_order AS (
    SELECT
        lost_works.work,
        attempts.job_id,
        attempts.created_at,
        coalesce(lag(attempts.lost_at) OVER in_order <= attempts.created_at, FALSE) AS goes_on,
        coalesce(attempts.lost_at <= lead(attempts.created_at) OVER in_order, FALSE) AS is_followed
    FROM attempts
    INNER JOIN lost_works
        ON
            attempts.itwin_id IS NOT DISTINCT FROM lost_works.itwin_id
            AND attempts.type IS NOT DISTINCT FROM lost_works.type
            AND attempts.inputs = lost_works.inputs
    WINDOW in_order AS (PARTITION BY lost_works.work ORDER BY attempts.created_at, attempts.job_id)
),

-- The first of a chain does not go on with another; each that goes on lies in the chain that began last before it.
links AS (
    SELECT
        work,
        job_id,
        goes_on,
        is_followed,
        sum(CASE WHEN goes_on THEN 0 ELSE 1 END) OVER (
            PARTITION BY work
            ORDER BY created_at, job_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS chain
    FROM attempts_in_order
    WHERE goes_on OR is_followed
),

accounts AS (
    SELECT
        links.work,
        links.chain,
        NOT links.goes_on AS is_first,
        NOT links.is_followed AS is_last,
        jobs.*,
        jobs.outcome <> 'open' AS is_finished,
        jobs.outcome IN ('failed', 'cancelled') AS is_wasted,
        CASE WHEN jobs.units_source = 'estimatedUnits' THEN billionths(jobs.units) END AS estimated,
        CASE WHEN jobs.units_source = 'processingUnits' THEN billionths(jobs.units) END AS processed
    FROM links
    INNER JOIN jobs ON links.job_id = jobs.job_id
),

chains AS (
    SELECT
        max(job_id) FILTER (WHERE is_first) AS first_job_id,
        max(itwin_id) AS itwin_id,
        max(type) AS type,
        max(user_id) FILTER (WHERE is_first) AS user_id,
        max(job_id) FILTER (WHERE is_last) AS last_job_id,
        count(*) AS attempts,
        max(outcome) FILTER (WHERE is_last) AS last_outcome,
        min(created_at) AS first_created_at,
        max(ended_at) FILTER (WHERE outcome = 'success') AS solved_at,
        count(*) FILTER (WHERE is_finished) AS finished_attempts,
        count(units) FILTER (WHERE is_finished) AS finished_with_units,
        round(units_of(sum(estimated)), 6) AS estimated_units,
        round(units_of(sum(processed)), 6) AS processing_units,
        count(*) FILTER (WHERE is_wasted) AS wasted_attempts,
        count(units) FILTER (WHERE is_wasted) AS wasted_with_units,
        round(units_of(sum(estimated) FILTER (WHERE is_wasted)), 6) AS wasted_estimated_units,
        round(units_of(sum(processed) FILTER (WHERE is_wasted)), 6) AS wasted_processing_units
    FROM accounts
    GROUP BY work, chain
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
    finished_with_units / CAST(nullif(finished_attempts, 0) AS DOUBLE) AS units_coverage,
    estimated_units,
    processing_units,
    wasted_attempts,
    wasted_with_units,
    wasted_estimated_units,
    wasted_processing_units
FROM chains
