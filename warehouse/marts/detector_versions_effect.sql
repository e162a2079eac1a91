-- detector_versions_effect: Whether failures, run time or units moved with a new version of a detector: the jobs of
--   each version beside those of the version before. A job that names no version used the one created last by then.
--   Versions are in order of their creation or, where that is not known, of their first use; only versions that jobs
--   used count. It shows what came with a version, not what the version caused: jobs, users and data change with time
--   too, and of twenty intervals without an effect one lies off by chance. Leaves out first versions, jobs without a
--   type, and jobs that name no version where versions are not known. One row per job type, detector and version after
--   the first. Key: type, detector_name, version.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
-- How: a change of shares has Newcombe's interval, of Wilson's of the two; a ratio is a difference of means of logarithms, with
--   Welch's interval by Student's t, as in option_impact.
WITH detector_inputs AS (
    SELECT DISTINCT
        job_id,
        coalesce(detector_name, reference) AS detector_name,
        detector_version
    FROM job_references
    WHERE direction = 'input' AND kind = 'detector' AND role <> 'detector_name' AND reference IS NOT NULL
),

used_versions AS (
    SELECT
        jobs.type,
        detector_inputs.detector_name,
        coalesce(detector_inputs.detector_version, latest_versions.version) AS version,
        jobs.outcome,
        jobs.created_at,
        jobs.outcome = 'success' AND jobs.run_seconds > 0 AS has_run,
        jobs.outcome = 'success' AND jobs.units > 0 AS has_units,
        jobs.units_source,
        jobs.run_seconds,
        jobs.units
    FROM detector_inputs
    INNER JOIN jobs ON detector_inputs.job_id = jobs.job_id
    LEFT JOIN detector_versions_effect_latest_versions AS latest_versions
        ON
            detector_inputs.detector_name = latest_versions.detector_name
            AND jobs.created_at >= latest_versions.from_at
            AND (latest_versions.until_at IS NULL OR jobs.created_at < latest_versions.until_at)
    WHERE jobs.type IS NOT NULL AND coalesce(detector_inputs.detector_version, latest_versions.version) IS NOT NULL
),

logarithms AS (
    SELECT
        *,
        CASE WHEN has_run THEN ln(run_seconds) END AS log_run,
        CASE WHEN has_units AND units_source = 'estimatedUnits' THEN ln(units) END AS log_estimated,
        CASE WHEN has_units AND units_source = 'processingUnits' THEN ln(units) END AS log_processed
    FROM used_versions
),

version_figures AS (
    SELECT
        type,
        detector_name,
        version,
        min(created_at) AS first_used_at,
        count(*) AS jobs,
        count(*) FILTER (WHERE outcome <> 'open') AS finished,
        count(*) FILTER (WHERE outcome = 'failed') AS failed,
        CAST(count(log_run) AS DOUBLE) AS runs,
        avg(log_run) AS run_mean,
        var_pop(log_run) AS run_variance,
        CAST(count(log_estimated) AS DOUBLE) AS estimates,
        avg(log_estimated) AS estimated_mean,
        var_pop(log_estimated) AS estimated_variance,
        CAST(count(log_processed) AS DOUBLE) AS processes,
        avg(log_processed) AS processed_mean,
        var_pop(log_processed) AS processed_variance
    FROM logarithms
    GROUP BY type, detector_name, version
),

numbered_versions AS (
    SELECT
        version_figures.*,
        row_number() OVER (
            PARTITION BY version_figures.type, version_figures.detector_name
            ORDER BY
                coalesce(detector_versions.created_at, version_figures.first_used_at) NULLS LAST,
                version_figures.version NULLS LAST
        ) AS nth
    FROM version_figures
    LEFT JOIN detector_versions
        ON
            version_figures.detector_name = detector_versions.detector_name
            AND version_figures.version = detector_versions.version
)

SELECT
    later.type,
    later.detector_name,
    later.version,
    earlier.version AS version_before,
    detectors.name,
    later.first_used_at,
    later.jobs,
    earlier.jobs AS jobs_before,
    later.finished,
    earlier.finished AS finished_before,
    later.finished < 20 OR earlier.finished < 20 AS too_thin,
    later.failed / CAST(nullif(later.finished, 0) AS DOUBLE) AS failure_share,
    earlier.failed / CAST(nullif(earlier.finished, 0) AS DOUBLE) AS failure_share_before,
    round(share_change_low(later.failed, later.finished, earlier.failed, earlier.finished), 6) AS failure_change_low,
    round(share_change_high(later.failed, later.finished, earlier.failed, earlier.finished), 6) AS failure_change_high,
    CAST(later.runs AS BIGINT) AS with_run_seconds,
    CAST(earlier.runs AS BIGINT) AS with_run_seconds_before,
    round(exp(later.run_mean - earlier.run_mean), 6) AS run_seconds_ratio,
    round(
        exp(
            later.run_mean - earlier.run_mean
            - welch_margin(later.run_variance, later.runs, earlier.run_variance, earlier.runs)
        ),
        6
    ) AS run_seconds_ratio_low,
    round(
        exp(
            later.run_mean - earlier.run_mean
            + welch_margin(later.run_variance, later.runs, earlier.run_variance, earlier.runs)
        ),
        6
    ) AS run_seconds_ratio_high,
    CAST(later.estimates AS BIGINT) AS with_estimated_units,
    CAST(earlier.estimates AS BIGINT) AS with_estimated_units_before,
    round(exp(later.estimated_mean - earlier.estimated_mean), 6) AS estimated_units_ratio,
    round(
        exp(
            later.estimated_mean - earlier.estimated_mean
            - welch_margin(later.estimated_variance, later.estimates, earlier.estimated_variance, earlier.estimates)
        ),
        6
    ) AS estimated_units_ratio_low,
    round(
        exp(
            later.estimated_mean - earlier.estimated_mean
            + welch_margin(later.estimated_variance, later.estimates, earlier.estimated_variance, earlier.estimates)
        ),
        6
    ) AS estimated_units_ratio_high,
    CAST(later.processes AS BIGINT) AS with_processing_units,
    CAST(earlier.processes AS BIGINT) AS with_processing_units_before,
    round(exp(later.processed_mean - earlier.processed_mean), 6) AS processing_units_ratio,
    round(
        exp(
            later.processed_mean - earlier.processed_mean
            - welch_margin(later.processed_variance, later.processes, earlier.processed_variance, earlier.processes)
        ),
        6
    ) AS processing_units_ratio_low,
    round(
        exp(
            later.processed_mean - earlier.processed_mean
            + welch_margin(later.processed_variance, later.processes, earlier.processed_variance, earlier.processes)
        ),
        6
    ) AS processing_units_ratio_high
FROM numbered_versions AS later
INNER JOIN numbered_versions AS earlier
    ON later.type = earlier.type AND later.detector_name = earlier.detector_name AND later.nth = earlier.nth + 1
LEFT JOIN detectors ON later.detector_name = detectors.detector_name
