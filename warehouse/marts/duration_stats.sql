-- duration_stats: How long jobs wait and run, from their own times; a cancelled job's wait ended when it left the
--   queue. Plain percentiles are of finished jobs alone and so too short while long jobs still run; the Kaplan-Meier
--   ones (_km_) count open jobs as censored at as_of (vanished ones at vanished_at): they lasted at least so long. Rows
--   of month or type 'all' hold all of them, so every job counts in four rows: do not add rows up, and never average
--   percentiles. Leaves out durations of jobs in a terminal state without an end, runs of jobs that never started, and
--   open jobs before there is an as_of. One row per month of creation and type, each also as 'all'. Key: month, type.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
-- How: a Kaplan-Meier quantile is the smallest length t with S(t) <= 1 - p, null where the curve S does not come down so
--   far. S is the product of 1 - ended / at_risk over the lengths up to t. Without censored jobs that is the share that
--   lasts longer, and the quantile a percentile_disc.
WITH job_times AS (
    SELECT
        jobs.created_month AS month,
        jobs.type,
        jobs.outcome <> 'open' AS is_finished,
        jobs.vanished_at IS NOT NULL AS is_vanished,
        epoch_us(jobs.created_at) AS created_us,
        epoch_us(jobs.started_at) AS started_us,
        epoch_us(jobs.ended_at) AS ended_us,
        CASE WHEN jobs.outcome = 'open' THEN epoch_us(coalesce(jobs.vanished_at, clock.as_of)) END AS open_until_us
    FROM jobs
    CROSS JOIN clock
),

job_durations AS (
    SELECT
        month,
        type,
        is_finished,
        is_vanished,
        coalesce(started_us, ended_us) - created_us AS queue_us,
        ended_us - started_us AS run_us,
        ended_us - created_us AS total_us,
        CASE
            WHEN coalesce(started_us, ended_us) IS NULL AND open_until_us IS NOT NULL
                THEN greatest(0, open_until_us - created_us)
        END AS queue_so_far_us,
        CASE
            WHEN started_us IS NOT NULL AND ended_us IS NULL AND open_until_us IS NOT NULL
                THEN greatest(0, open_until_us - started_us)
        END AS run_so_far_us
    FROM job_times
),

statistics AS (
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
    FROM job_durations
    GROUP BY CUBE (month, type)
    HAVING count(*) > 0
),

spans AS (
    SELECT
        month,
        type,
        0 AS is_run,
        coalesce(queue_us, queue_so_far_us) AS length_us,
        queue_us IS NOT NULL AS is_over
    FROM job_durations
    UNION ALL
    SELECT
        month,
        type,
        1 AS is_run,
        coalesce(run_us, run_so_far_us) AS length_us,
        run_us IS NOT NULL AS is_over
    FROM job_durations
),

-- A curve is the queue or the run of the jobs of a row of the mart. Jobs of one length are many, for API times are mostly
-- whole seconds. Doubles add up faster than whole numbers, and counts as exactly.
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
),

lengths_at_risk AS (
    SELECT
        curve_lengths.month,
        curve_lengths.type,
        curve_lengths.is_run,
        curve_lengths.length_us,
        curve_lengths.ended,
        sum(curve_lengths.jobs) OVER (
            PARTITION BY curve_lengths.month, curve_lengths.type, curve_lengths.is_run
            ORDER BY curve_lengths.length_us DESC ROWS UNBOUNDED PRECEDING
        ) AS at_risk
    FROM curve_lengths
    INNER JOIN statistics
        ON curve_lengths.month = statistics.month AND curve_lengths.type IS NOT DISTINCT FROM statistics.type
    WHERE CASE curve_lengths.is_run WHEN 1 THEN statistics.run_censored ELSE statistics.queue_censored END > 0
),

-- A factor of 0 has no logarithm: e^-1000 is 0.
survival AS (
    SELECT
        month,
        type,
        is_run,
        length_us,
        exp(
            sum(CASE WHEN ended < at_risk THEN ln(1 - ended / at_risk) ELSE -1000e0 END)
                OVER (PARTITION BY month, type, is_run ORDER BY length_us ROWS UNBOUNDED PRECEDING)
        ) AS share_left
    FROM lengths_at_risk
),

-- 1e-9 takes care of a curve that meets 1 - p exactly.
kaplan_meier AS (
    SELECT
        month,
        type,
        is_run,
        min(length_us) FILTER (WHERE share_left <= 0.5e0 + 1e-9) AS p50,
        min(length_us) FILTER (WHERE share_left <= 0.1e0 + 1e-9) AS p90,
        min(length_us) FILTER (WHERE share_left <= 0.05e0 + 1e-9) AS p95
    FROM survival
    GROUP BY month, type, is_run
)

SELECT
    statistics.month,
    statistics.type,
    statistics.jobs,
    statistics.finished,
    statistics.open,
    statistics.vanished_open,
    statistics.with_queue,
    list_extract(statistics.queue_us, 1) / 1e6 AS queue_seconds_p50,
    list_extract(statistics.queue_us, 2) / 1e6 AS queue_seconds_p90,
    list_extract(statistics.queue_us, 3) / 1e6 AS queue_seconds_p95,
    list_extract(statistics.queue_us, 4) / 1e6 AS queue_seconds_p99,
    statistics.with_run,
    list_extract(statistics.run_us, 1) / 1e6 AS run_seconds_p50,
    list_extract(statistics.run_us, 2) / 1e6 AS run_seconds_p90,
    list_extract(statistics.run_us, 3) / 1e6 AS run_seconds_p95,
    list_extract(statistics.run_us, 4) / 1e6 AS run_seconds_p99,
    statistics.queue_censored,
    coalesce(queue.p50, list_extract(statistics.queue_km_us, 1)) / 1e6 AS queue_seconds_km_p50,
    coalesce(queue.p90, list_extract(statistics.queue_km_us, 2)) / 1e6 AS queue_seconds_km_p90,
    coalesce(queue.p95, list_extract(statistics.queue_km_us, 3)) / 1e6 AS queue_seconds_km_p95,
    statistics.run_censored,
    coalesce(run.p50, list_extract(statistics.run_km_us, 1)) / 1e6 AS run_seconds_km_p50,
    coalesce(run.p90, list_extract(statistics.run_km_us, 2)) / 1e6 AS run_seconds_km_p90,
    coalesce(run.p95, list_extract(statistics.run_km_us, 3)) / 1e6 AS run_seconds_km_p95,
    statistics.expansion_jobs,
    round(statistics.mean_expansion_factor, 6) AS mean_expansion_factor
FROM statistics
LEFT JOIN kaplan_meier AS queue
    ON queue.is_run = 0 AND statistics.month = queue.month AND statistics.type IS NOT DISTINCT FROM queue.type
LEFT JOIN kaplan_meier AS run
    ON run.is_run = 1 AND statistics.month = run.month AND statistics.type IS NOT DISTINCT FROM run.type
