-- unit_changes: Each time the units of a job were seen to change: to appear, be restated, go away, or move to the other
--   field (processingUnits goes before estimatedUnits). Leaves out what a job's first version told, values that are no
--   JSON numbers, and changes between two observations that were undone before the second. One row per version of a job
--   with other units, or units in the other field, than the version before. Key: job_id, changed_at.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
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
