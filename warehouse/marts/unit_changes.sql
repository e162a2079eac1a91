-- unit_changes: each time polling saw that the units of a job had changed.
-- Grain: version of a job whose units, or the field that tells them, differ from those of the version before.
-- Counts: the first value to appear (from null), every restatement, a value that went away (to null), and a value that
--   moved from one field to the other. Of a version that tells both fields, processingUnits counts.
-- Leaves out: what the first version that was seen already told, values that are no JSON numbers, and changes between
--   two observations that were undone before the second. changed_at is when the new value was first seen, not when it
--   was made; seconds_after_end is below zero where it was seen before the job ended.
WITH versions AS (
    SELECT
        observations.job_id,
        observations.observed_at,
        jobs.itwin_id,
        jobs.type,
        jobs.ended_at,
        -- A body without the word tells no units: it need not be parsed.
        CASE WHEN observations.body LIKE '%Units"%' THEN observations.body -> '$.executionInfo' END AS info
    FROM observations
    INNER JOIN jobs ON jobs.job_id = observations.job_id
    WHERE observations.http_status = 200 AND jobs.versions > 1
),

told AS (
    SELECT
        job_id,
        observed_at,
        itwin_id,
        type,
        ended_at,
        CASE
            WHEN json_type(info, '$.processingUnits') IN ('BIGINT', 'UBIGINT', 'DOUBLE')
                THEN CAST(info ->> '$.processingUnits' AS DOUBLE)
        END AS processing_units,
        CASE
            WHEN json_type(info, '$.estimatedUnits') IN ('BIGINT', 'UBIGINT', 'DOUBLE')
                THEN CAST(info ->> '$.estimatedUnits' AS DOUBLE)
        END AS estimated_units
    FROM versions
),

valued AS (
    SELECT
        job_id,
        observed_at,
        itwin_id,
        type,
        ended_at,
        coalesce(processing_units, estimated_units) AS units,
        CASE
            WHEN processing_units IS NOT NULL THEN 'processingUnits'
            WHEN estimated_units IS NOT NULL THEN 'estimatedUnits'
        END AS field
    FROM told
),

compared AS (
    SELECT
        job_id,
        observed_at,
        itwin_id,
        type,
        ended_at,
        units,
        field,
        row_number() OVER (PARTITION BY job_id ORDER BY observed_at) AS version,
        lag(units) OVER (PARTITION BY job_id ORDER BY observed_at) AS units_before,
        lag(field) OVER (PARTITION BY job_id ORDER BY observed_at) AS field_before
    FROM valued
)

SELECT
    job_id,
    itwin_id,
    type,
    units_before AS from_units,
    units AS to_units,
    field_before AS from_field,
    field AS to_field,
    observed_at AS changed_at,
    ended_at,
    (epoch_us(observed_at) - epoch_us(ended_at)) / 1e6 AS seconds_after_end
FROM compared
WHERE version > 1 AND (units IS DISTINCT FROM units_before OR field IS DISTINCT FROM field_before)
