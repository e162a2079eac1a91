-- estimates_holds: the estimates change with the time only through jobs that run and are there, and through these only in the
--   quantiles of the run time. As with duration_stats, a quantile stays where every job that it counts had run at least so
--   long by the earlier time, and null stays null. A type's jobs count in its iTwins and in all of them: the youngest one is
--   held against the largest quantile of its type.
-- Says no where the time went back, or there was none, and a job runs.
WITH youngest AS (
    SELECT
        jobs.type,
        min(
            CASE
                WHEN earlier_clock.as_of >= jobs.started_at AND clock.as_of >= earlier_clock.as_of
                    THEN (epoch_us(earlier_clock.as_of) - epoch_us(jobs.started_at)) / 1e6
                ELSE -1
            END
        ) AS seconds
    FROM jobs
    CROSS JOIN clock
    CROSS JOIN earlier_clock
    WHERE jobs.outcome = 'open' AND jobs.vanished_at IS NULL AND jobs.started_at IS NOT NULL AND jobs.ended_at IS NULL
    GROUP BY jobs.type
),

largest AS (
    SELECT
        type,
        max(
            greatest(coalesce(run_seconds_p10, 0), coalesce(run_seconds_p50, 0), coalesce(run_seconds_p90, 0))
        ) AS seconds
    FROM earlier
    GROUP BY type
)

SELECT count(*) FILTER (WHERE youngest.seconds < 0 OR youngest.seconds < largest.seconds) = 0 AS holds
FROM youngest
LEFT JOIN largest ON youngest.type = largest.type
