-- detectors_never_used: Detectors that a training made and no job in the ledger ever took as an input, whatever its
--   outcome. A job that names a detector without a version may have used any version of it: then none of them is
--   listed. Leaves out trainings that did not succeed. One row per detector that was trained (a name with version, or a
--   reference). Key: reference.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
WITH trainings AS (
    SELECT
        made.reference,
        made.detector_name,
        made.detector_version,
        jobs.job_id,
        jobs.itwin_id,
        jobs.user_id,
        jobs.type,
        jobs.ended_at,
        CASE WHEN jobs.units_source = 'estimatedUnits' THEN jobs.units END AS estimated_units,
        CASE WHEN jobs.units_source = 'processingUnits' THEN jobs.units END AS processing_units,
        count(*) OVER (PARTITION BY made.reference) AS trainings,
        row_number() OVER (PARTITION BY made.reference ORDER BY jobs.created_at DESC, jobs.job_id DESC) AS newest
    FROM job_references AS made
    INNER JOIN jobs ON made.job_id = jobs.job_id
    WHERE made.direction = 'output' AND made.role = 'detector' AND made.reference IS NOT NULL AND jobs.outcome = 'success'
),

uses AS (
    SELECT DISTINCT
        reference,
        detector_name,
        detector_version
    FROM job_references
    WHERE direction = 'input' AND kind = 'detector' AND role <> 'detector_name'
)

SELECT
    trainings.reference,
    trainings.detector_name,
    trainings.detector_version,
    coalesce(detectors.name, reality_data.name) AS name,
    trainings.job_id AS trained_by_job_id,
    trainings.type,
    trainings.itwin_id,
    trainings.user_id,
    trainings.ended_at AS trained_at,
    trainings.trainings,
    trainings.estimated_units,
    trainings.processing_units
FROM trainings
LEFT JOIN detectors ON trainings.detector_name = detectors.detector_name
LEFT JOIN reality_data ON trainings.reference = reality_data.reality_data_id
WHERE
    trainings.newest = 1
    AND NOT EXISTS (SELECT 1 FROM uses WHERE uses.reference = trainings.reference)
    AND NOT EXISTS (
        SELECT 1 FROM uses WHERE uses.detector_name = trainings.detector_name AND uses.detector_version IS NULL
    )
