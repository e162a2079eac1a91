-- failure_reasons: Why jobs failed, in the API's error codes; jobs without an error message stand under the code null.
--   A job with several codes or input detectors counts once, with all its units, under each: do not add rows up. A
--   failed job without units adds nothing to a total: the coverage says how many have some. Leaves out warnings,
--   cancelled jobs, and whatever was said of other jobs that did not fail. One row per error code, type and detector.
--   Key: code, type, detector_name, detector_version.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
WITH failed AS (
    SELECT
        job_id,
        type,
        units,
        CASE WHEN units_source = 'estimatedUnits' THEN billionths(units) END AS estimated,
        CASE WHEN units_source = 'processingUnits' THEN billionths(units) END AS processed,
        coalesce(ended_at, created_at) AS seen_at
    FROM jobs
    WHERE outcome = 'failed'
),

errors AS (
    SELECT
        job_id,
        code,
        message,
        row_number() OVER (PARTITION BY job_id, code ORDER BY ordinal) AS nth
    FROM job_messages
    WHERE severity = 'error'
),

detectors AS (
    SELECT DISTINCT
        job_references.job_id,
        job_references.detector_name,
        job_references.detector_version
    FROM job_references
    INNER JOIN failed ON failed.job_id = job_references.job_id
    WHERE job_references.kind = 'detector' AND job_references.direction = 'input'
),

cases AS (
    SELECT
        errors.code,
        failed.type,
        detectors.detector_name,
        detectors.detector_version,
        failed.job_id,
        failed.seen_at,
        failed.units,
        failed.estimated,
        failed.processed,
        errors.message,
        row_number() OVER (
            PARTITION BY errors.code, failed.type, detectors.detector_name, detectors.detector_version
            ORDER BY failed.seen_at DESC, failed.job_id
        ) AS newest
    FROM failed
    LEFT JOIN errors ON errors.job_id = failed.job_id AND errors.nth = 1
    LEFT JOIN detectors ON detectors.job_id = failed.job_id
)

SELECT
    code,
    type,
    detector_name,
    detector_version,
    count(*) AS jobs,
    min(seen_at) AS first_seen_at,
    max(seen_at) AS last_seen_at,
    count(units) AS with_units,
    count(units) / CAST(count(*) AS DOUBLE) AS units_coverage,
    round(coalesce(units_of(sum(estimated)), 0), 6) AS estimated_units_lost,
    round(coalesce(units_of(sum(processed)), 0), 6) AS processing_units_lost,
    max(message) FILTER (WHERE newest = 1) AS example_message,
    max(job_id) FILTER (WHERE newest = 1) AS example_job_id
FROM cases
GROUP BY code, type, detector_name, detector_version
