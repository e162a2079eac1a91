-- estimates: What the next job of a type will take in an iTwin, told by like jobs: the newest 200 of the type there,
--   whatever their outcome, or, where fewer than 20 of these have finished, the newest 200 of the type anywhere.
--   Between p10 and p90 lie four of five like jobs, not what is possible at most; estimates_backtest tells how often
--   that held the next job. Quantiles are values that occurred. Those of the run time count open jobs as censored at
--   as_of, by Kaplan-Meier, as in duration_stats. Estimates and consumption stand apart. Sizes are those of
--   reality_data: GB of all inputs together, not known where one of them is a scene of photos, and km2 of the largest.
--   Leaves out units of open jobs, runs of jobs that never started, and jobs without a type or an iTwin. One row per
--   type and iTwin, and for each type 'all' iTwins. Key: type, itwin_id.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
-- How: in steps, each a file of its own: estimates_like_jobs, _lengths, shared_kaplan_meier, _figures,
--   _sizes and _rates.
WITH estimated_groups AS (
    SELECT
        type,
        itwin_id,
        type || '/' || itwin_id AS estimate
    FROM estimates_like_jobs
    UNION ALL
    SELECT
        type,
        'all' AS itwin_id,
        type || '/all' AS estimate
    FROM estimates_like_jobs
),

rates AS (
    SELECT
        estimate,
        max(jobs) FILTER (WHERE measure = 'run_seconds' AND per = 'gb') AS with_run_seconds_per_gb,
        max(p10) FILTER (WHERE measure = 'run_seconds' AND per = 'gb') AS run_seconds_per_gb_p10,
        max(p50) FILTER (WHERE measure = 'run_seconds' AND per = 'gb') AS run_seconds_per_gb_p50,
        max(p90) FILTER (WHERE measure = 'run_seconds' AND per = 'gb') AS run_seconds_per_gb_p90,
        max(explained) FILTER (WHERE measure = 'run_seconds' AND per = 'gb') AS run_seconds_per_gb_explained,
        max(jobs) FILTER (WHERE measure = 'run_seconds' AND per = 'km2') AS with_run_seconds_per_km2,
        max(p10) FILTER (WHERE measure = 'run_seconds' AND per = 'km2') AS run_seconds_per_km2_p10,
        max(p50) FILTER (WHERE measure = 'run_seconds' AND per = 'km2') AS run_seconds_per_km2_p50,
        max(p90) FILTER (WHERE measure = 'run_seconds' AND per = 'km2') AS run_seconds_per_km2_p90,
        max(explained) FILTER (WHERE measure = 'run_seconds' AND per = 'km2') AS run_seconds_per_km2_explained,
        max(jobs) FILTER (WHERE measure = 'estimated_units' AND per = 'gb') AS with_estimated_units_per_gb,
        max(p10) FILTER (WHERE measure = 'estimated_units' AND per = 'gb') AS estimated_units_per_gb_p10,
        max(p50) FILTER (WHERE measure = 'estimated_units' AND per = 'gb') AS estimated_units_per_gb_p50,
        max(p90) FILTER (WHERE measure = 'estimated_units' AND per = 'gb') AS estimated_units_per_gb_p90,
        max(explained) FILTER (WHERE measure = 'estimated_units' AND per = 'gb') AS estimated_units_per_gb_explained,
        max(jobs) FILTER (WHERE measure = 'estimated_units' AND per = 'km2') AS with_estimated_units_per_km2,
        max(p10) FILTER (WHERE measure = 'estimated_units' AND per = 'km2') AS estimated_units_per_km2_p10,
        max(p50) FILTER (WHERE measure = 'estimated_units' AND per = 'km2') AS estimated_units_per_km2_p50,
        max(p90) FILTER (WHERE measure = 'estimated_units' AND per = 'km2') AS estimated_units_per_km2_p90,
        max(explained) FILTER (WHERE measure = 'estimated_units' AND per = 'km2') AS estimated_units_per_km2_explained,
        max(jobs) FILTER (WHERE measure = 'processing_units' AND per = 'gb') AS with_processing_units_per_gb,
        max(p10) FILTER (WHERE measure = 'processing_units' AND per = 'gb') AS processing_units_per_gb_p10,
        max(p50) FILTER (WHERE measure = 'processing_units' AND per = 'gb') AS processing_units_per_gb_p50,
        max(p90) FILTER (WHERE measure = 'processing_units' AND per = 'gb') AS processing_units_per_gb_p90,
        max(explained) FILTER (WHERE measure = 'processing_units' AND per = 'gb') AS processing_units_per_gb_explained,
        max(jobs) FILTER (WHERE measure = 'processing_units' AND per = 'km2') AS with_processing_units_per_km2,
        max(p10) FILTER (WHERE measure = 'processing_units' AND per = 'km2') AS processing_units_per_km2_p10,
        max(p50) FILTER (WHERE measure = 'processing_units' AND per = 'km2') AS processing_units_per_km2_p50,
        max(p90) FILTER (WHERE measure = 'processing_units' AND per = 'km2') AS processing_units_per_km2_p90,
        max(explained) FILTER (WHERE measure = 'processing_units' AND per = 'km2') AS processing_units_per_km2_explained
    FROM estimates_rates
    GROUP BY estimate
)

SELECT DISTINCT
    estimated_groups.type,
    estimated_groups.itwin_id,
    own.finished AS own_finished,
    CASE WHEN estimated_groups.itwin_id <> 'all' AND own.finished >= 20 THEN 'type, iTwin' ELSE 'type' END AS conditions,
    held.jobs,
    held.finished,
    held.finished >= 20 AS enough,
    held.failed_share,
    held.with_run_seconds,
    held.run_censored,
    held.run_seconds_p10,
    held.run_seconds_p50,
    held.run_seconds_p90,
    held.with_estimated_units,
    held.estimated_units_p10,
    held.estimated_units_p50,
    held.estimated_units_p90,
    held.with_processing_units,
    held.processing_units_p10,
    held.processing_units_p50,
    held.processing_units_p90,
    coalesce(rates.with_run_seconds_per_gb, 0) AS with_run_seconds_per_gb,
    rates.run_seconds_per_gb_p10,
    rates.run_seconds_per_gb_p50,
    rates.run_seconds_per_gb_p90,
    rates.run_seconds_per_gb_explained,
    coalesce(rates.with_run_seconds_per_km2, 0) AS with_run_seconds_per_km2,
    rates.run_seconds_per_km2_p10,
    rates.run_seconds_per_km2_p50,
    rates.run_seconds_per_km2_p90,
    rates.run_seconds_per_km2_explained,
    coalesce(rates.with_estimated_units_per_gb, 0) AS with_estimated_units_per_gb,
    rates.estimated_units_per_gb_p10,
    rates.estimated_units_per_gb_p50,
    rates.estimated_units_per_gb_p90,
    rates.estimated_units_per_gb_explained,
    coalesce(rates.with_estimated_units_per_km2, 0) AS with_estimated_units_per_km2,
    rates.estimated_units_per_km2_p10,
    rates.estimated_units_per_km2_p50,
    rates.estimated_units_per_km2_p90,
    rates.estimated_units_per_km2_explained,
    coalesce(rates.with_processing_units_per_gb, 0) AS with_processing_units_per_gb,
    rates.processing_units_per_gb_p10,
    rates.processing_units_per_gb_p50,
    rates.processing_units_per_gb_p90,
    rates.processing_units_per_gb_explained,
    coalesce(rates.with_processing_units_per_km2, 0) AS with_processing_units_per_km2,
    rates.processing_units_per_km2_p10,
    rates.processing_units_per_km2_p50,
    rates.processing_units_per_km2_p90,
    rates.processing_units_per_km2_explained,
    held.first_created_at,
    held.last_created_at
FROM estimated_groups
INNER JOIN estimates_figures AS own ON estimated_groups.estimate = own.estimate
INNER JOIN estimates_figures AS held
    ON held.estimate = CASE WHEN own.finished >= 20 THEN own.estimate ELSE estimated_groups.type || '/all' END
LEFT JOIN rates ON held.estimate = rates.estimate
