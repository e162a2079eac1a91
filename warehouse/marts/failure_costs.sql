-- failure_costs: How many jobs failed or were cancelled, and the run hours and units spent on them (lost); estimates
--   and consumption stand apart. Vanished jobs count. What has no value adds nothing: the coverages say how many of the
--   failed and cancelled jobs have one. Rows of month or type 'all' hold all of them, so every job counts in four rows:
--   do not add rows up. Leaves out what open jobs cost, and successful jobs whose result nobody used. One row per month
--   of creation and type, each also as 'all'. Key: month, type.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
WITH accounts AS (
    SELECT
        created_month,
        type,
        outcome,
        outcome IN ('failed', 'cancelled') AS is_lost,
        started_at IS NOT NULL OR ended_at IS NULL AS should_have_run,
        units,
        CASE WHEN units_source = 'estimatedUnits' THEN billionths(units) END AS estimated,
        CASE WHEN units_source = 'processingUnits' THEN billionths(units) END AS processed,
        epoch_us(ended_at) - epoch_us(started_at) AS run_us
    FROM jobs
),

totals AS (
    SELECT
        CASE WHEN grouping(created_month) = 1 THEN 'all' ELSE created_month END AS month,
        CASE WHEN grouping(type) = 1 THEN 'all' ELSE type END AS type,
        count(*) AS jobs,
        count(*) FILTER (WHERE outcome <> 'open') AS finished,
        count(*) FILTER (WHERE outcome = 'failed') AS failed,
        count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE is_lost AND should_have_run) AS should_have_run,
        count(run_us) FILTER (WHERE is_lost) AS with_run,
        sum(run_us) FILTER (WHERE is_lost) AS run_us,
        count(units) FILTER (WHERE is_lost) AS with_units,
        units_of(sum(estimated) FILTER (WHERE is_lost)) AS estimated_units,
        units_of(sum(processed) FILTER (WHERE is_lost)) AS processing_units
    FROM accounts
    GROUP BY CUBE (created_month, type)
)

SELECT
    month,
    type,
    jobs,
    finished,
    failed,
    cancelled,
    failed / CAST(nullif(finished, 0) AS DOUBLE) AS failed_share,
    cancelled / CAST(nullif(finished, 0) AS DOUBLE) AS cancelled_share,
    with_run,
    with_run / CAST(nullif(should_have_run, 0) AS DOUBLE) AS run_coverage,
    coalesce(run_us, 0) / 3.6e9 AS run_hours_lost,
    with_units,
    with_units / CAST(nullif(failed + cancelled, 0) AS DOUBLE) AS units_coverage,
    round(coalesce(estimated_units, 0), 6) AS estimated_units_lost,
    round(coalesce(processing_units, 0), 6) AS processing_units_lost
FROM totals
-- Without jobs there is a total all the same.
WHERE jobs > 0
