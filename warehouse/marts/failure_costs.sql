-- failure_costs: how many jobs failed or were cancelled, and what was spent on them.
-- Grain: month of creation (UTC) and type, each also as 'all': every job stands in four rows.
-- Counts: shares are of finished jobs. Lost is what the failed and the cancelled jobs together ran and were charged,
--   vanished ones included; estimates and consumption apart.
-- Leaves out: successful jobs whose result nobody used, and open jobs. What has no value adds nothing to a total; the
--   coverage says how many of the failed and cancelled jobs have one. A job that ended without having started should
--   have no run.
WITH accounts AS (
    SELECT
        substr(CAST(CAST(created_at AS DATE) AS VARCHAR), 1, 7) AS month,
        type,
        outcome,
        CASE WHEN outcome IN ('failed', 'cancelled') THEN 1 ELSE 0 END AS is_lost,
        started_at IS NOT NULL OR ended_at IS NULL AS should_have_run,
        units,
        units_source,
        epoch_us(ended_at) - epoch_us(started_at) AS run_us
    FROM jobs
),

cells AS (
    SELECT
        month,
        type,
        count(*) AS jobs,
        count(*) FILTER (WHERE outcome <> 'open') AS finished,
        count(*) FILTER (WHERE outcome = 'failed') AS failed,
        count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
        count(units) FILTER (WHERE is_lost = 1) AS with_units,
        sum(units) FILTER (WHERE is_lost = 1 AND units_source = 'estimatedUnits') AS estimated_units,
        sum(units) FILTER (WHERE is_lost = 1 AND units_source = 'processingUnits') AS processing_units,
        count(*) FILTER (WHERE is_lost = 1 AND should_have_run) AS should_have_run,
        count(run_us) FILTER (WHERE is_lost = 1) AS with_run,
        sum(run_us) FILTER (WHERE is_lost = 1) AS run_us
    FROM accounts
    GROUP BY month, type
),

-- Each cell counts in its own row and in those of all months, of all types and of all.
spread AS (
    SELECT
        CASE WHEN wide.all_months THEN 'all' ELSE cells.month END AS in_month,
        CASE WHEN wide.all_types THEN 'all' ELSE cells.type END AS in_type,
        cells.*
    FROM cells
    CROSS JOIN (
        VALUES (FALSE, FALSE), (FALSE, TRUE), (TRUE, FALSE), (TRUE, TRUE)
    ) AS wide(all_months, all_types)
),

totals AS (
    SELECT
        in_month AS month,
        in_type AS type,
        CAST(sum(jobs) AS BIGINT) AS jobs,
        CAST(sum(finished) AS BIGINT) AS finished,
        CAST(sum(failed) AS BIGINT) AS failed,
        CAST(sum(cancelled) AS BIGINT) AS cancelled,
        CAST(sum(with_units) AS BIGINT) AS with_units,
        sum(estimated_units) AS estimated_units,
        sum(processing_units) AS processing_units,
        CAST(sum(should_have_run) AS BIGINT) AS should_have_run,
        CAST(sum(with_run) AS BIGINT) AS with_run,
        CAST(sum(run_us) AS BIGINT) AS run_us
    FROM spread
    GROUP BY in_month, in_type
)

-- Sums of doubles are rounded to 6 places: their last bits depend on the order in which an engine adds.
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
