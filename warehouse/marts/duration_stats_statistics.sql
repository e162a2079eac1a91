-- duration_stats_statistics: what needs no curve.
-- Grain: row of the mart.
-- Counts: *_km_us are the quantiles where no job is censored: without such, a Kaplan-Meier quantile is a percentile_disc.
-- Leaves out: what the mart leaves out.
WITH statistics AS (
    SELECT
        CASE grouping(month) WHEN 1 THEN 'all' ELSE month END AS month,
        CASE grouping(type) WHEN 1 THEN 'all' ELSE type END AS type,
        count(*) AS jobs,
        count(*) FILTER (WHERE is_finished) AS finished,
        count(*) FILTER (WHERE NOT is_finished AND NOT is_vanished) AS open,
        count(*) FILTER (WHERE NOT is_finished AND is_vanished) AS vanished_open,
        count(queue_us) FILTER (WHERE is_finished) AS with_queue,
        count(run_us) FILTER (WHERE is_finished) AS with_run,
        count(queue_so_far_us) AS queue_censored,
        count(run_so_far_us) AS run_censored,
        percentile_cont(list_value(0.5, 0.9, 0.95, 0.99)) WITHIN GROUP (ORDER BY queue_us)
            FILTER (WHERE is_finished) AS queue_us,
        percentile_cont(list_value(0.5, 0.9, 0.95, 0.99)) WITHIN GROUP (ORDER BY run_us)
            FILTER (WHERE is_finished) AS run_us,
        CASE
            WHEN count(queue_so_far_us) = 0 THEN percentile_disc(list_value(0.5, 0.9, 0.95)) WITHIN GROUP (ORDER BY queue_us)
        END AS queue_km_us,
        CASE
            WHEN count(run_so_far_us) = 0 THEN percentile_disc(list_value(0.5, 0.9, 0.95)) WITHIN GROUP (ORDER BY run_us)
        END AS run_km_us,
        count(*) FILTER (WHERE is_finished AND run_us > 0) AS expansion_jobs,
        avg(CASE WHEN is_finished AND run_us > 0 THEN total_us / CAST(run_us AS DOUBLE) END) AS mean_expansion_factor
    FROM duration_stats_durations
    GROUP BY CUBE (month, type)
    HAVING count(*) > 0
)

SELECT
    row_number() OVER (ORDER BY month NULLS LAST, type NULLS LAST) AS row_id,
    *
FROM statistics
