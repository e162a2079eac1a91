-- unit_changes: each time polling saw that the units of a job had changed.
-- Grain: version of a job whose units, or the field that tells them, differ from those of the version before.
-- Counts: the first value to appear (from null), every restatement, a value that went away (to null), and a value that
--   moved from one field to the other. Of a version that tells both fields, processingUnits counts.
-- Leaves out: what the first version that was seen already told, values that are no JSON numbers, and changes between
--   two observations that were undone before the second. changed_at is when the new value was first seen, not when it
--   was made; seconds_after_end is below zero where it was seen before the job ended.
WITH versions AS (
    SELECT
        job_id,
        observed_at,
        -- A body without the word tells no units: it need not be parsed.
        CASE WHEN body LIKE '%Units"%' THEN body -> '$.executionInfo' END AS info
    FROM observations
    WHERE http_status = 200 AND job_id IN (SELECT job_id FROM jobs WHERE versions > 1)
),

told AS (
    SELECT
        job_id,
        observed_at,
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

-- A number too large to be one (1e999) is no value, as in jobs.
finite AS (
    SELECT
        job_id,
        observed_at,
        CASE WHEN isfinite(processing_units) THEN processing_units END AS processing_units,
        CASE WHEN isfinite(estimated_units) THEN estimated_units END AS estimated_units
    FROM told
),

valued AS (
    SELECT
        job_id,
        observed_at,
        coalesce(processing_units, estimated_units) AS units,
        CASE
            WHEN processing_units IS NOT NULL THEN 'processingUnits'
            WHEN estimated_units IS NOT NULL THEN 'estimatedUnits'
        END AS field
    FROM finite
),

compared AS (
    SELECT
        job_id,
        observed_at,
        units,
        field,
        row_number() OVER (PARTITION BY job_id ORDER BY observed_at) AS version,
        lag(units) OVER (PARTITION BY job_id ORDER BY observed_at) AS units_before,
        lag(field) OVER (PARTITION BY job_id ORDER BY observed_at) AS field_before
    FROM valued
)

SELECT
    compared.job_id,
    jobs.itwin_id,
    jobs.type,
    compared.units_before AS from_units,
    compared.units AS to_units,
    compared.field_before AS from_field,
    compared.field AS to_field,
    compared.observed_at AS changed_at,
    jobs.ended_at,
    (epoch_us(compared.observed_at) - epoch_us(jobs.ended_at)) / 1e6 AS seconds_after_end
FROM compared
INNER JOIN jobs ON jobs.job_id = compared.job_id
WHERE
    compared.version > 1
    AND (
        compared.units IS DISTINCT FROM compared.units_before
        OR compared.field IS DISTINCT FROM compared.field_before
    )
