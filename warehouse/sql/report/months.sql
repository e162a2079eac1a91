-- months: Jobs, how many of them failed and were cancelled, and their units of one kind. The coverage says of how many
--   finished jobs units are known. One row per month of creation.
WITH costs AS (
    SELECT
        month,
        CAST(sum(jobs) AS BIGINT) AS jobs,
        CAST(sum(finished) AS BIGINT) AS finished,
        CAST(sum(with_units) AS BIGINT) AS with_units,
        sum(TRY_CAST(CASE $kind WHEN 'processingUnits' THEN processing_units ELSE estimated_units END
            AS DECIMAL(24, 6))) AS units,
        sum(TRY_CAST(CASE $kind WHEN 'processingUnits' THEN failed_processing_units ELSE failed_estimated_units END
            AS DECIMAL(24, 6))) AS failed_units,
        sum(TRY_CAST(
            CASE $kind WHEN 'processingUnits' THEN cancelled_processing_units ELSE cancelled_estimated_units END
            AS DECIMAL(24, 6))) AS cancelled_units
    FROM units_by_month
    WHERE month BETWEEN $first AND $last AND itwin_id IS NOT DISTINCT FROM coalesce($itwin, itwin_id)
    GROUP BY month
),

outcomes AS (
    SELECT
        created_month AS month,
        count(*) FILTER (WHERE outcome = 'failed') AS failed,
        count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
        CAST(sum(TRY_CAST(run_seconds AS DECIMAL(24, 6))) FILTER (WHERE outcome IN ('failed', 'cancelled')) AS DOUBLE)
        / 3600 AS run_hours_lost
    FROM jobs
    WHERE created_month BETWEEN $first AND $last AND itwin_id IS NOT DISTINCT FROM coalesce($itwin, itwin_id)
    GROUP BY created_month
)

SELECT
    costs.month,
    costs.jobs,
    costs.finished,
    outcomes.failed,
    outcomes.cancelled,
    round(coalesce(outcomes.run_hours_lost, 0), 3) AS run_hours_lost,
    costs.with_units,
    round(costs.with_units / nullif(CAST(costs.finished AS DOUBLE), 0), 6) AS units_coverage,
    CAST(coalesce(costs.units, 0) AS DOUBLE) AS units,
    CAST(coalesce(costs.failed_units, 0) AS DOUBLE) AS failed_units,
    CAST(coalesce(costs.cancelled_units, 0) AS DOUBLE) AS cancelled_units
FROM costs
LEFT JOIN outcomes ON outcomes.month = costs.month
ORDER BY costs.month
