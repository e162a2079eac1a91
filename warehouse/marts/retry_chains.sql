-- retry_chains: one row per chain of at least two attempts at the same work.
-- Counts: jobs of the same iTwin, type and set of inputs (canonical role and reference, as text), in order of creation
--   (ties by job id). A job goes on with the chain of the job before it when that one had failed or was cancelled by
--   the time this one was created. Else it begins a chain of its own: after a success, beside a job that was still
--   open then, and where the end of the job before is not known. Options may differ. Vanished jobs count.
-- Leaves out: jobs without any input, and chains of one attempt.
-- How: sets of inputs cost much to write out and to compare. Jobs are first numbered by the first and the last of their
--   inputs, where a job with these did not succeed: the others are on no chain. What lies between the two is written out
--   for what is left.
WITH inputs AS NOT MATERIALIZED (
    SELECT
        job_id,
        role || chr(31) || reference AS input
    FROM job_references
    WHERE direction = 'input' AND reference IS NOT NULL
),

ends AS (
    SELECT
        job_id,
        count(*) AS inputs,
        min(input) AS first_input,
        max(input) AS last_input
    FROM inputs
    GROUP BY job_id
),

attempts AS MATERIALIZED (
    SELECT
        jobs.job_id,
        jobs.itwin_id,
        jobs.type,
        jobs.created_at,
        jobs.outcome IN ('failed', 'cancelled') AS is_wasted,
        CASE WHEN jobs.outcome IN ('failed', 'cancelled') THEN jobs.ended_at END AS lost_at,
        ends.inputs,
        ends.first_input,
        ends.last_input
    FROM jobs
    INNER JOIN ends ON jobs.job_id = ends.job_id
),

tried_in_vain AS (
    SELECT
        itwin_id,
        type,
        first_input,
        last_input,
        row_number() OVER () AS work
    FROM attempts
    WHERE is_wasted
    GROUP BY itwin_id, type, first_input, last_input
),

candidates AS MATERIALIZED (
    SELECT
        tried_in_vain.work,
        attempts.job_id,
        attempts.created_at,
        attempts.lost_at,
        CASE WHEN attempts.inputs > 2 THEN attempts.first_input END AS first_of_several,
        CASE WHEN attempts.inputs > 2 THEN attempts.last_input END AS last_of_several
    FROM attempts
    INNER JOIN tried_in_vain
        ON
            attempts.itwin_id IS NOT DISTINCT FROM tried_in_vain.itwin_id
            AND attempts.type IS NOT DISTINCT FROM tried_in_vain.type
            AND attempts.first_input = tried_in_vain.first_input
            AND attempts.last_input = tried_in_vain.last_input
),

between_ends AS (
    SELECT
        inputs.job_id,
        string_agg(DISTINCT inputs.input, chr(30) ORDER BY inputs.input) AS other_inputs
    FROM inputs
    INNER JOIN candidates ON inputs.job_id = candidates.job_id
    WHERE
        candidates.first_of_several IS NOT NULL
        AND inputs.input > candidates.first_of_several
        AND inputs.input < candidates.last_of_several
    GROUP BY inputs.job_id
),

in_order AS (
    SELECT
        candidates.work,
        between_ends.other_inputs,
        candidates.job_id,
        candidates.created_at,
        coalesce(lag(candidates.lost_at) OVER jobs_of_work <= candidates.created_at, FALSE) AS goes_on,
        coalesce(candidates.lost_at <= lead(candidates.created_at) OVER jobs_of_work, FALSE) AS is_followed
    FROM candidates
    LEFT JOIN between_ends ON candidates.job_id = between_ends.job_id
    WINDOW jobs_of_work AS (
        PARTITION BY candidates.work, between_ends.other_inputs
        ORDER BY candidates.created_at, candidates.job_id
    )
),

-- Only jobs on chains from here on: each that goes on lies in the chain that the last one before it began.
numbered AS (
    SELECT
        work,
        other_inputs,
        job_id,
        goes_on,
        is_followed,
        sum(CASE WHEN goes_on THEN 0 ELSE 1 END) OVER (
            PARTITION BY work, other_inputs
            ORDER BY created_at, job_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS chain
    FROM in_order
    WHERE goes_on OR is_followed
),

chains AS (
    SELECT
        max(jobs.itwin_id) AS itwin_id,
        max(jobs.type) AS type,
        max(jobs.job_id) FILTER (WHERE NOT numbered.goes_on) AS first_job_id,
        max(jobs.user_id) FILTER (WHERE NOT numbered.goes_on) AS user_id,
        max(jobs.job_id) FILTER (WHERE NOT numbered.is_followed) AS last_job_id,
        max(jobs.outcome) FILTER (WHERE NOT numbered.is_followed) AS last_outcome,
        max(jobs.ended_at) FILTER (WHERE jobs.outcome = 'success') AS solved_at,
        min(jobs.created_at) AS first_created_at,
        count(*) AS attempts,
        count(*) FILTER (WHERE jobs.outcome <> 'open') AS finished_attempts,
        count(jobs.units) FILTER (WHERE jobs.outcome <> 'open') AS finished_with_units,
        round(sum(jobs.units) FILTER (WHERE jobs.units_source = 'estimatedUnits'), 6) AS estimated_units,
        round(sum(jobs.units) FILTER (WHERE jobs.units_source = 'processingUnits'), 6) AS processing_units,
        count(*) FILTER (WHERE jobs.outcome IN ('failed', 'cancelled')) AS wasted_attempts,
        count(jobs.units) FILTER (WHERE jobs.outcome IN ('failed', 'cancelled')) AS wasted_with_units,
        round(
            sum(jobs.units) FILTER (
                WHERE jobs.outcome IN ('failed', 'cancelled') AND jobs.units_source = 'estimatedUnits'
            ), 6
        ) AS wasted_estimated_units,
        round(
            sum(jobs.units) FILTER (
                WHERE jobs.outcome IN ('failed', 'cancelled') AND jobs.units_source = 'processingUnits'
            ), 6
        ) AS wasted_processing_units
    FROM numbered
    INNER JOIN jobs ON numbered.job_id = jobs.job_id
    GROUP BY numbered.work, numbered.other_inputs, numbered.chain
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
