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
        CASE WHEN body LIKE '%Units"%' THEN json_extract(body, '$.executionInfo') END AS info
    FROM observations
    WHERE http_status = 200 AND job_id IN (SELECT job_id FROM jobs WHERE versions > 1)
),

amounts AS (
    SELECT
        job_id,
        observed_at,
        number_at(info, '$.processingUnits') AS processing_units,
        number_at(info, '$.estimatedUnits') AS estimated_units
    FROM versions
),

valued_versions AS (
    SELECT
        job_id,
        observed_at,
        coalesce(processing_units, estimated_units) AS units,
        CASE
            WHEN processing_units IS NOT NULL THEN 'processingUnits'
            WHEN estimated_units IS NOT NULL THEN 'estimatedUnits'
        END AS field
    FROM amounts
),

compared_versions AS (
    SELECT
        job_id,
        observed_at,
        units,
        field,
        row_number() OVER so_far AS version,
        lag(units) OVER so_far AS units_before,
        lag(field) OVER so_far AS field_before
    FROM valued_versions
    WINDOW so_far AS (PARTITION BY job_id ORDER BY observed_at)
)

SELECT
    compared_versions.job_id,
    jobs.itwin_id,
    jobs.type,
    compared_versions.units_before AS from_units,
    compared_versions.units AS to_units,
    compared_versions.field_before AS from_field,
    compared_versions.field AS to_field,
    compared_versions.observed_at AS changed_at,
    jobs.ended_at,
    (epoch_us(compared_versions.observed_at) - epoch_us(jobs.ended_at)) / 1e6 AS seconds_after_end
FROM compared_versions
INNER JOIN jobs ON compared_versions.job_id = jobs.job_id
WHERE
    compared_versions.version > 1
    AND (
        compared_versions.units IS DISTINCT FROM compared_versions.units_before
        OR compared_versions.field IS DISTINCT FROM compared_versions.field_before
    )
