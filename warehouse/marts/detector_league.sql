-- detector_league: How each detector does: the jobs that took it as an input, whatever their outcome. Medians are of
--   the jobs that succeeded. Leaves out trainings as users (their input detector_name names what they make), and
--   detectors that no job used (see detectors_never_used). One row per detector name and version. Key: detector_name,
--   detector_version.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
WITH detector_inputs AS (
    SELECT
        job_id,
        coalesce(detector_name, reference) AS detector_name,
        detector_version,
        reference
    FROM job_references
    WHERE direction = 'input' AND kind = 'detector' AND role <> 'detector_name' AND reference IS NOT NULL
),

uses AS (
    SELECT DISTINCT
        job_id,
        detector_name,
        detector_version
    FROM detector_inputs
),

accounts AS (
    SELECT
        uses.detector_name,
        uses.detector_version,
        jobs.outcome,
        jobs.created_at,
        jobs.created_month,
        latest_versions.version AS latest_then,
        CASE WHEN jobs.outcome = 'success' THEN jobs.run_seconds END AS run_seconds,
        CASE WHEN jobs.outcome = 'success' AND jobs.units_source = 'estimatedUnits' THEN jobs.units END AS estimated,
        CASE WHEN jobs.outcome = 'success' AND jobs.units_source = 'processingUnits' THEN jobs.units END AS processed
    FROM uses
    INNER JOIN jobs ON uses.job_id = jobs.job_id
    LEFT JOIN detector_league_latest_versions AS latest_versions
        ON
            uses.detector_name = latest_versions.detector_name
            AND jobs.created_at >= latest_versions.from_at
            AND (latest_versions.until_at IS NULL OR jobs.created_at < latest_versions.until_at)
),

totals AS (
    SELECT
        detector_name,
        detector_version,
        count(*) AS jobs,
        count(*) FILTER (WHERE outcome <> 'open') AS finished,
        count(*) FILTER (WHERE outcome = 'success') AS succeeded,
        count(*) FILTER (WHERE outcome = 'failed') AS failed,
        count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
        count(run_seconds) AS succeeded_with_run_seconds,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY run_seconds) AS run_seconds_p50,
        count(estimated) + count(processed) AS succeeded_with_units,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY estimated) AS estimated_units_p50,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY processed) AS processing_units_p50,
        min(created_at) AS first_used_at,
        max(created_at) AS last_used_at,
        count(DISTINCT created_month) AS months_in_use,
        CASE
            WHEN count(latest_then) > 0
                THEN count(*) FILTER (WHERE coalesce(detector_version, latest_then) = latest_then)
        END AS jobs_on_latest
    FROM accounts
    GROUP BY detector_name, detector_version
),

evaluations AS (
    SELECT
        uses.detector_name,
        uses.detector_version,
        count(DISTINCT reference_lineage.producer_job_id) AS evaluated_jobs,
        count(DISTINCT reference_lineage.consumer_job_id) AS evaluation_jobs
    FROM uses
    INNER JOIN reference_lineage ON uses.job_id = reference_lineage.producer_job_id
    WHERE reference_lineage.consumer_role = 'prediction' AND reference_lineage.consumer_type LIKE 'Eval%'
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
    FROM (SELECT DISTINCT detector_name, detector_version, reference FROM detector_inputs) AS detectors
    INNER JOIN job_references AS made ON detectors.reference = made.reference
    INNER JOIN jobs ON made.job_id = jobs.job_id
    WHERE made.direction = 'output' AND made.role = 'detector'
)

SELECT
    totals.detector_name,
    totals.detector_version,
    coalesce(detectors.name, reality_data.name) AS name,
    versions.labels,
    detectors.latest_version,
    last_latest.version AS latest_when_last_used,
    last_latest.version = detectors.latest_version AS is_still_latest,
    totals.jobs_on_latest,
    totals.jobs,
    totals.finished,
    totals.succeeded,
    totals.failed,
    totals.cancelled,
    totals.failed / CAST(nullif(totals.finished, 0) AS DOUBLE) AS failure_share,
    totals.succeeded_with_run_seconds,
    totals.run_seconds_p50,
    totals.succeeded_with_units,
    totals.estimated_units_p50,
    totals.processing_units_p50,
    totals.first_used_at,
    totals.last_used_at,
    totals.months_in_use,
    coalesce(evaluations.evaluated_jobs, 0) AS evaluated_jobs,
    coalesce(evaluations.evaluation_jobs, 0) AS evaluation_jobs,
    trainings.job_id AS trained_by_job_id
FROM totals
LEFT JOIN evaluations
    ON
        totals.detector_name = evaluations.detector_name
        AND totals.detector_version IS NOT DISTINCT FROM evaluations.detector_version
LEFT JOIN trainings
    ON
        totals.detector_name = trainings.detector_name
        AND totals.detector_version IS NOT DISTINCT FROM trainings.detector_version
        AND trainings.newest = 1
LEFT JOIN detector_league_latest_versions AS last_latest
    ON
        totals.detector_name = last_latest.detector_name
        AND totals.last_used_at >= last_latest.from_at
        AND (last_latest.until_at IS NULL OR totals.last_used_at < last_latest.until_at)
LEFT JOIN detectors ON totals.detector_name = detectors.detector_name
LEFT JOIN reality_data ON totals.detector_name = reality_data.reality_data_id
LEFT JOIN detector_versions AS versions
    ON
        totals.detector_name = versions.detector_name
        AND coalesce(totals.detector_version, detectors.latest_version) = versions.version
