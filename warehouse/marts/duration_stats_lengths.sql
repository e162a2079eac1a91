-- duration_stats_lengths: how many jobs waited, or ran, so long.
-- Grain: curve and length in microseconds. A curve is the run (row_id) or the wait (-row_id) of the jobs of a row of the mart.
-- Counts: jobs of the length, and those of them that had ended by it; the others are censored there.
-- Leaves out: curves without a censored job.
-- Jobs of one length are many, for API times are mostly whole seconds. Doubles add up faster than whole numbers, and count
--   as exactly.
WITH spans AS (
    SELECT
        month,
        type,
        0 AS is_run,
        coalesce(queue_us, queue_so_far_us) AS length_us,
        queue_us IS NOT NULL AS is_over
    FROM duration_stats_durations
    UNION ALL
    SELECT
        month,
        type,
        1 AS is_run,
        coalesce(run_us, run_so_far_us) AS length_us,
        run_us IS NOT NULL AS is_over
    FROM duration_stats_durations
),

curve_lengths AS (
    SELECT
        CASE grouping(month) WHEN 1 THEN 'all' ELSE month END AS month,
        CASE grouping(type) WHEN 1 THEN 'all' ELSE type END AS type,
        is_run,
        length_us,
        CAST(count(*) AS DOUBLE) AS jobs,
        CAST(count(*) FILTER (WHERE is_over) AS DOUBLE) AS ended
    FROM spans
    WHERE length_us IS NOT NULL
    GROUP BY CUBE (month, type), is_run, length_us
)

SELECT
    CASE curve_lengths.is_run WHEN 1 THEN statistics.row_id ELSE -statistics.row_id END AS curve,
    curve_lengths.length_us,
    curve_lengths.jobs,
    curve_lengths.ended
FROM curve_lengths
INNER JOIN duration_stats_statistics AS statistics
    ON curve_lengths.month = statistics.month AND curve_lengths.type IS NOT DISTINCT FROM statistics.type
WHERE CASE curve_lengths.is_run WHEN 1 THEN statistics.run_censored ELSE statistics.queue_censored END > 0
