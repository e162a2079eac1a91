-- detector_league: one row per detector name and version.
-- Counts: the jobs that took the detector as an input, whatever their outcome; a detector without a name (a GUID)
--   stands under its reference. Medians are of the jobs that succeeded. evaluation_jobs: the distinct Eval jobs whose
--   prediction is an output of one of these jobs. trained_by_job_id: the job created last that has the detector as its
--   output, so that a detector trained again shows its newest training.
-- Leaves out: trainings as users (their input detector_name names what they make); detectors that no job used.
WITH named AS MATERIALIZED (
    SELECT
        job_id,
        direction,
        coalesce(detector_name, reference) AS detector_name,
        detector_version,
        reference
    FROM job_references
    WHERE direction = 'input' AND kind = 'detector' AND role <> 'detector_name' AND reference IS NOT NULL
    UNION ALL
    SELECT
        job_id,
        direction,
        coalesce(detector_name, reference) AS detector_name,
        detector_version,
        reference
    FROM job_references
    WHERE direction = 'output' AND role = 'detector' AND reference IS NOT NULL
),

used AS (
    SELECT
        job_id,
        detector_name,
        detector_version,
        reference
    FROM named
    WHERE direction = 'input'
),

uses AS (
    SELECT DISTINCT
        job_id,
        detector_name,
        detector_version
    FROM used
),

summed AS (
    SELECT
        uses.detector_name,
        uses.detector_version,
        count(*) AS jobs,
        count(*) FILTER (WHERE jobs.outcome <> 'open') AS finished,
        count(*) FILTER (WHERE jobs.outcome = 'success') AS succeeded,
        count(*) FILTER (WHERE jobs.outcome = 'failed') AS failed,
        count(*) FILTER (WHERE jobs.outcome = 'cancelled') AS cancelled,
        count(jobs.run_seconds) FILTER (WHERE jobs.outcome = 'success') AS succeeded_with_run_seconds,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY jobs.run_seconds)
            FILTER (WHERE jobs.outcome = 'success') AS run_seconds_p50,
        count(jobs.units) FILTER (WHERE jobs.outcome = 'success') AS succeeded_with_units,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY jobs.units)
            FILTER (WHERE jobs.outcome = 'success' AND jobs.units_source = 'estimatedUnits') AS estimated_units_p50,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY jobs.units)
            FILTER (WHERE jobs.outcome = 'success' AND jobs.units_source = 'processingUnits') AS processing_units_p50,
        min(jobs.created_at) AS first_used_at,
        max(jobs.created_at) AS last_used_at,
        count(DISTINCT date_trunc('month', CAST(jobs.created_at AS DATE))) AS months_in_use
    FROM uses
    INNER JOIN jobs ON uses.job_id = jobs.job_id
    GROUP BY uses.detector_name, uses.detector_version
),

predictions AS (
    SELECT DISTINCT
        producer_job_id,
        consumer_job_id
    FROM reference_lineage
    WHERE consumer_role = 'prediction' AND consumer_type LIKE 'Eval%'
),

evaluated AS (
    SELECT
        uses.detector_name,
        uses.detector_version,
        count(DISTINCT predictions.producer_job_id) AS evaluated_jobs,
        count(DISTINCT predictions.consumer_job_id) AS evaluation_jobs
    FROM predictions
    INNER JOIN uses ON predictions.producer_job_id = uses.job_id
    GROUP BY uses.detector_name, uses.detector_version
),

trainings AS (
    SELECT
        detectors.detector_name,
        detectors.detector_version,
        jobs.job_id,
        row_number() OVER (
            PARTITION BY detectors.detector_name, detectors.detector_version
            ORDER BY jobs.created_at DESC, jobs.job_id DESC
        ) AS newest
    FROM (SELECT DISTINCT detector_name, detector_version, reference FROM used) AS detectors
    INNER JOIN named AS made ON detectors.reference = made.reference AND made.direction = 'output'
    INNER JOIN jobs ON made.job_id = jobs.job_id
)

SELECT
    summed.detector_name,
    summed.detector_version,
    summed.jobs,
    summed.finished,
    summed.succeeded,
    summed.failed,
    summed.cancelled,
    summed.failed / nullif(summed.finished, 0)::DOUBLE AS failure_share,
    summed.succeeded_with_run_seconds,
    summed.run_seconds_p50,
    summed.succeeded_with_units,
    summed.estimated_units_p50,
    summed.processing_units_p50,
    summed.first_used_at,
    summed.last_used_at,
    summed.months_in_use,
    coalesce(evaluated.evaluated_jobs, 0) AS evaluated_jobs,
    coalesce(evaluated.evaluation_jobs, 0) AS evaluation_jobs,
    trainings.job_id AS trained_by_job_id
FROM summed
LEFT JOIN evaluated
    ON
        summed.detector_name = evaluated.detector_name
        AND summed.detector_version IS NOT DISTINCT FROM evaluated.detector_version
LEFT JOIN trainings
    ON
        summed.detector_name = trainings.detector_name
        AND summed.detector_version IS NOT DISTINCT FROM trainings.detector_version
        AND trainings.newest = 1
