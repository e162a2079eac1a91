-- estimates_rates: what like jobs took for each GB and km2 that they were given.
-- Grain: estimate, measure ('run_seconds', 'estimated_units' or 'processing_units') and what it is divided by ('gb' or 'km2').
-- Counts: finished jobs whose inputs have a known size. explained is how much less the logarithms vary (their variance, of
--   jobs that took something) when the measure is divided by the size: 1 if all jobs took the same for each, 0 if dividing
--   changes nothing, below 0 where it makes them differ more.
-- Leaves out: jobs that are open, and inputs without a size.
WITH sized_jobs AS (
    SELECT
        like_jobs.estimate,
        measures.measure,
        sizes.per,
        CASE measures.measure
            WHEN 'run_seconds' THEN like_jobs.run_us / 1e6
            WHEN 'estimated_units' THEN CASE WHEN like_jobs.units_source = 'estimatedUnits' THEN like_jobs.units END
            ELSE CASE WHEN like_jobs.units_source = 'processingUnits' THEN like_jobs.units END
        END AS actual,
        CASE sizes.per WHEN 'gb' THEN estimates_sizes.gb ELSE estimates_sizes.km2 END AS size
    FROM estimates_like_jobs AS like_jobs
    INNER JOIN estimates_sizes ON like_jobs.job_id = estimates_sizes.job_id
    CROSS JOIN (VALUES ('run_seconds'), ('estimated_units'), ('processing_units')) AS measures(measure)
    CROSS JOIN (VALUES ('gb'), ('km2')) AS sizes(per)
    WHERE like_jobs.outcome <> 'open'
),

rated_jobs AS (
    SELECT
        estimate,
        measure,
        per,
        actual / size AS rate,
        CASE WHEN actual > 0 THEN ln(actual) END AS log_actual,
        CASE WHEN actual > 0 THEN ln(actual) - ln(size) END AS log_rate
    FROM sized_jobs
    WHERE actual IS NOT NULL AND size > 0
),

rates AS (
    SELECT
        estimate,
        measure,
        per,
        count(*) AS jobs,
        percentile_disc(list_value(0.1, 0.5, 0.9)) WITHIN GROUP (ORDER BY rate) AS quantiles,
        var_pop(log_rate) AS rate_variance,
        var_pop(log_actual) AS actual_variance
    FROM rated_jobs
    GROUP BY estimate, measure, per
)

SELECT
    estimate,
    measure,
    per,
    jobs,
    list_extract(quantiles, 1) AS p10,
    list_extract(quantiles, 2) AS p50,
    list_extract(quantiles, 3) AS p90,
    CASE WHEN actual_variance > 1e-12 THEN round(1 - rate_variance / actual_variance, 6) END AS explained
FROM rates
