-- duration_stats_holds: the statistics change with the time only through jobs that are open and there, and through these
--   only in the Kaplan-Meier quantiles. Before the length at which a job is censored, the curve does not know when that
--   is: a quantile stays where every job that it counts had waited, or run, at least so long by the earlier time. Where
--   the curve does not come down to a quantile, it does so less when jobs turn out to last longer: null stays null.
-- Says no where the time went back, or there was none, and a job is open.
WITH open_jobs AS (
    SELECT
        jobs.created_month AS month,
        jobs.type,
        jobs.started_at IS NOT NULL AS is_run,
        CASE
            WHEN earlier_clock.as_of >= coalesce(jobs.started_at, jobs.created_at) AND clock.as_of >= earlier_clock.as_of
                THEN (epoch_us(earlier_clock.as_of) - epoch_us(coalesce(jobs.started_at, jobs.created_at))) / 1e6
            ELSE -1
        END AS seconds
    FROM jobs
    CROSS JOIN clock
    CROSS JOIN earlier_clock
    WHERE jobs.outcome = 'open' AND jobs.vanished_at IS NULL
),

-- The youngest one in each row of the mart.
youngest AS (
    SELECT
        CASE grouping(month) WHEN 1 THEN 'all' ELSE month END AS month,
        CASE grouping(type) WHEN 1 THEN 'all' ELSE type END AS type,
        is_run,
        min(seconds) AS seconds
    FROM open_jobs
    GROUP BY CUBE (month, type), is_run
)

SELECT
    count(*) FILTER (
        WHERE
        youngest.seconds < 0
        OR youngest.is_run AND youngest.seconds < greatest(
            coalesce(earlier.run_seconds_km_p50, 0),
            coalesce(earlier.run_seconds_km_p90, 0),
            coalesce(earlier.run_seconds_km_p95, 0)
        )
        OR NOT youngest.is_run AND youngest.seconds < greatest(
            coalesce(earlier.queue_seconds_km_p50, 0),
            coalesce(earlier.queue_seconds_km_p90, 0),
            coalesce(earlier.queue_seconds_km_p95, 0)
        )
    ) = 0 AS holds
FROM youngest
LEFT JOIN earlier ON youngest.month = earlier.month AND youngest.type IS NOT DISTINCT FROM earlier.type
