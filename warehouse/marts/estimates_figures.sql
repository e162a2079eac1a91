-- estimates_figures: what like jobs took, whatever their outcome.
-- Grain: estimate.
-- Counts: finished jobs; in the quantiles of the run seconds also those that run, as censored. A quantile is a value that
--   occurred: the smallest that so many of the jobs do not exceed.
-- Leaves out: units of open jobs, which may still change.
WITH measured_jobs AS (
    SELECT
        *,
        outcome <> 'open' AS is_finished,
        CASE WHEN outcome <> 'open' AND units_source = 'estimatedUnits' THEN units END AS estimated_units,
        CASE WHEN outcome <> 'open' AND units_source = 'processingUnits' THEN units END AS processing_units
    FROM estimates_like_jobs
),

figures AS (
    SELECT
        estimate,
        count(*) AS jobs,
        count(*) FILTER (WHERE is_finished) AS finished,
        count(*) FILTER (WHERE outcome = 'failed') AS failed,
        count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
        min(created_at) AS first_created_at,
        max(created_at) AS last_created_at,
        count(run_us) AS with_run_seconds,
        count(run_so_far_us) AS run_censored,
        count(estimated_units) AS with_estimated_units,
        percentile_disc(list_value(0.1, 0.5, 0.9)) WITHIN GROUP (ORDER BY estimated_units) AS estimated,
        count(processing_units) AS with_processing_units,
        percentile_disc(list_value(0.1, 0.5, 0.9)) WITHIN GROUP (ORDER BY processing_units) AS processed
    FROM measured_jobs
    GROUP BY estimate
)

SELECT
    figures.estimate,
    figures.jobs,
    figures.finished,
    figures.failed,
    figures.cancelled,
    figures.failed / CAST(nullif(figures.finished, 0) AS DOUBLE) AS failed_share,
    figures.first_created_at,
    figures.last_created_at,
    figures.with_run_seconds,
    figures.run_censored,
    runs.us_p10 / 1e6 AS run_seconds_p10,
    runs.us_p50 / 1e6 AS run_seconds_p50,
    runs.us_p90 / 1e6 AS run_seconds_p90,
    figures.with_estimated_units,
    list_extract(figures.estimated, 1) AS estimated_units_p10,
    list_extract(figures.estimated, 2) AS estimated_units_p50,
    list_extract(figures.estimated, 3) AS estimated_units_p90,
    figures.with_processing_units,
    list_extract(figures.processed, 1) AS processing_units_p10,
    list_extract(figures.processed, 2) AS processing_units_p50,
    list_extract(figures.processed, 3) AS processing_units_p90
FROM figures
LEFT JOIN estimates_kaplan_meier AS runs ON figures.estimate = runs.curve
