-- duration_stats: how long jobs wait and run.
-- Grain: month of creation (UTC) and type, each also as 'all': every job stands in four rows.
-- Counts: queue and run of each job, from its own times; a cancelled job's wait ended when it left the queue.
--   The plain percentiles are those of finished jobs alone, interpolated between neighbours as percentile_cont does.
--   The Kaplan-Meier ones (_km_) also take the jobs that still wait or run, as censored at as_of, or at vanished_at
--   where they vanished while open: they lasted at least so long. A Kaplan-Meier quantile is the smallest t with
--   S(t) <= 1 - p, null where the curve does not come down so far.
-- Leaves out: the duration of a job in a terminal state without ended_at (it counts as finished; when it ended is not
--   known), the run of a job that never started, and open jobs before there is an as_of. No row for what has no jobs.
-- How: jobs of one length are counted together, for many are: API times are mostly whole seconds. The lengths of each
--   row are put in order once (at one length, ended before censored) with how many jobs came up to each, and every
--   statistic is the first length at which enough did. Behind place k of n, the Kaplan-Meier product of
--   (1 - 1/at risk) over the ended ones is (n - k)/n, lifted by the product of at_risk/(at_risk - 1) over the censored
--   ones up to k; over neighbours this is at_risk before the first over at_risk behind the last. 1e-9 takes care of a
--   curve that meets 1 - p exactly.
WITH stays AS (
    SELECT
        substr(CAST(CAST(jobs.created_at AS DATE) AS VARCHAR), 1, 7) AS month,
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

spans AS (
    SELECT
        month,
        type,
        0 AS is_run,
        is_finished,
        started_us IS NULL AND ended_us IS NULL AS is_censored,
        coalesce(
            started_us - created_us,
            ended_us - created_us,
            CASE WHEN open_until_us > created_us THEN open_until_us - created_us ELSE 0 END
        ) AS length_us
    FROM stays
    WHERE coalesce(started_us, ended_us, open_until_us) IS NOT NULL
    UNION ALL
    SELECT
        month,
        type,
        1 AS is_run,
        is_finished,
        ended_us IS NULL AS is_censored,
        coalesce(
            ended_us - started_us,
            CASE WHEN open_until_us > started_us THEN open_until_us - started_us ELSE 0 END
        ) AS length_us
    FROM stays
    WHERE started_us IS NOT NULL AND coalesce(ended_us, open_until_us) IS NOT NULL
),

cells AS (
    SELECT
        month,
        type,
        count(*) AS jobs,
        count(*) FILTER (WHERE is_finished) AS finished,
        count(*) FILTER (WHERE NOT is_finished AND NOT is_vanished) AS open,
        count(*) FILTER (WHERE NOT is_finished AND is_vanished) AS vanished_open,
        count(*) FILTER (WHERE is_finished AND ended_us > started_us) AS expansion_jobs,
        sum((ended_us - created_us) / CAST(ended_us - started_us AS DOUBLE)) FILTER (
            WHERE is_finished AND ended_us > started_us
        ) AS expansion
    FROM stays
    GROUP BY month, type
),

-- The rows that each cell counts in.
members AS (
    SELECT
        cells.month,
        cells.type,
        CASE WHEN wide.all_months THEN 'all' ELSE cells.month END AS in_month,
        CASE WHEN wide.all_types THEN 'all' ELSE cells.type END AS in_type,
        dense_rank() OVER (
            ORDER BY
                CASE WHEN wide.all_months THEN 'all' ELSE cells.month END,
                CASE WHEN wide.all_types THEN 'all' ELSE cells.type END
        ) AS group_id
    FROM cells
    CROSS JOIN (
        VALUES (false, false), (false, true), (true, false), (true, true)
    ) AS wide(all_months, all_types)
),

counts AS (
    SELECT
        members.group_id,
        members.in_month AS month,
        members.in_type AS type,
        CAST(sum(cells.jobs) AS BIGINT) AS jobs,
        CAST(sum(cells.finished) AS BIGINT) AS finished,
        CAST(sum(cells.open) AS BIGINT) AS open,
        CAST(sum(cells.vanished_open) AS BIGINT) AS vanished_open,
        CAST(sum(cells.expansion_jobs) AS BIGINT) AS expansion_jobs,
        sum(cells.expansion) AS expansion
    FROM cells
    INNER JOIN members ON members.month = cells.month AND members.type IS NOT DISTINCT FROM cells.type
    GROUP BY members.group_id, members.in_month, members.in_type
),

lengths AS (
    SELECT
        month,
        type,
        is_run,
        length_us,
        is_censored,
        is_finished,
        count(*) AS jobs
    FROM spans
    GROUP BY month, type, is_run, length_us, is_censored, is_finished
),

-- A curve is the durations of one kind (queue, run) in one row of the mart. Counts are doubles here: a window adds them
-- up much faster, and as exactly.
curve_lengths AS MATERIALIZED (
    SELECT
        CAST(2 * members.group_id + lengths.is_run AS INTEGER) AS curve,
        lengths.length_us,
        lengths.is_censored,
        CAST(sum(lengths.jobs) AS DOUBLE) AS jobs,
        CAST(sum(CASE WHEN lengths.is_finished THEN lengths.jobs ELSE 0 END) AS DOUBLE) AS finished
    FROM lengths
    INNER JOIN members ON members.month = lengths.month AND members.type IS NOT DISTINCT FROM lengths.type
    GROUP BY CAST(2 * members.group_id + lengths.is_run AS INTEGER), lengths.length_us, lengths.is_censored
),

curves AS (
    SELECT
        curve,
        CAST(sum(jobs) AS BIGINT) AS n,
        CAST(sum(CASE WHEN is_censored THEN jobs ELSE 0 END) AS BIGINT) AS censored,
        CAST(sum(finished) AS BIGINT) AS finished
    FROM curve_lengths
    GROUP BY curve
),

-- How many jobs, and finished ones, came up to each length.
placed AS MATERIALIZED (
    SELECT
        curve,
        length_us,
        is_censored,
        jobs,
        sum(jobs) OVER up_to AS place,
        sum(finished) OVER up_to AS finished_place
    FROM curve_lengths
    WINDOW up_to AS (PARTITION BY curve ORDER BY length_us, is_censored ROWS UNBOUNDED PRECEDING)
),

lifted AS (
    SELECT
        placed.curve,
        placed.length_us,
        placed.is_censored,
        placed.finished_place,
        1 - placed.place / curves.n AS still_there
    FROM placed
    INNER JOIN curves ON curves.curve = placed.curve
    WHERE curves.censored = 0
    UNION ALL
    SELECT
        placed.curve,
        placed.length_us,
        placed.is_censored,
        placed.finished_place,
        (1 - placed.place / curves.n) * exp(
            sum(
                CASE
                    WHEN placed.is_censored AND placed.place < curves.n
                        THEN ln((curves.n - placed.place + placed.jobs) / (curves.n - placed.place))
                    ELSE 0e0
                END
            ) OVER (PARTITION BY placed.curve ORDER BY placed.place ROWS UNBOUNDED PRECEDING)
        ) AS still_there
    FROM placed
    INNER JOIN curves ON curves.curve = placed.curve
    WHERE curves.censored > 0
),

-- A plain percentile lies between the lengths at two ranks among the finished, from 0.
bounds AS (
    SELECT
        lifted.curve,
        max(curves.finished) AS finished,
        min(lifted.length_us) FILTER (WHERE lifted.finished_place > floor((curves.finished - 1) * 0.5e0)) AS p50_from,
        min(lifted.length_us) FILTER (WHERE lifted.finished_place > ceil((curves.finished - 1) * 0.5e0)) AS p50_to,
        min(lifted.length_us) FILTER (WHERE lifted.finished_place > floor((curves.finished - 1) * 0.9e0)) AS p90_from,
        min(lifted.length_us) FILTER (WHERE lifted.finished_place > ceil((curves.finished - 1) * 0.9e0)) AS p90_to,
        min(lifted.length_us) FILTER (WHERE lifted.finished_place > floor((curves.finished - 1) * 0.95e0)) AS p95_from,
        min(lifted.length_us) FILTER (WHERE lifted.finished_place > ceil((curves.finished - 1) * 0.95e0)) AS p95_to,
        min(lifted.length_us) FILTER (WHERE lifted.finished_place > floor((curves.finished - 1) * 0.99e0)) AS p99_from,
        min(lifted.length_us) FILTER (WHERE lifted.finished_place > ceil((curves.finished - 1) * 0.99e0)) AS p99_to,
        min(lifted.length_us) FILTER (WHERE NOT lifted.is_censored AND lifted.still_there <= 0.5e0 + 1e-9) AS km50,
        min(lifted.length_us) FILTER (WHERE NOT lifted.is_censored AND lifted.still_there <= 0.1e0 + 1e-9) AS km90,
        min(lifted.length_us) FILTER (WHERE NOT lifted.is_censored AND lifted.still_there <= 0.05e0 + 1e-9) AS km95
    FROM lifted
    INNER JOIN curves ON curves.curve = lifted.curve
    GROUP BY lifted.curve
),

answers AS (
    SELECT
        curve,
        (p50_from + (p50_to - p50_from) * ((finished - 1) * 0.5e0 - floor((finished - 1) * 0.5e0))) / 1e6 AS p50,
        (p90_from + (p90_to - p90_from) * ((finished - 1) * 0.9e0 - floor((finished - 1) * 0.9e0))) / 1e6 AS p90,
        (p95_from + (p95_to - p95_from) * ((finished - 1) * 0.95e0 - floor((finished - 1) * 0.95e0))) / 1e6 AS p95,
        (p99_from + (p99_to - p99_from) * ((finished - 1) * 0.99e0 - floor((finished - 1) * 0.99e0))) / 1e6 AS p99,
        km50 / 1e6 AS km50,
        km90 / 1e6 AS km90,
        km95 / 1e6 AS km95
    FROM bounds
)

SELECT
    counts.month,
    counts.type,
    counts.jobs,
    counts.finished,
    counts.open,
    counts.vanished_open,
    coalesce(queue_curve.finished, 0) AS with_queue,
    queue.p50 AS queue_seconds_p50,
    queue.p90 AS queue_seconds_p90,
    queue.p95 AS queue_seconds_p95,
    queue.p99 AS queue_seconds_p99,
    coalesce(run_curve.finished, 0) AS with_run,
    run.p50 AS run_seconds_p50,
    run.p90 AS run_seconds_p90,
    run.p95 AS run_seconds_p95,
    run.p99 AS run_seconds_p99,
    coalesce(queue_curve.censored, 0) AS queue_censored,
    queue.km50 AS queue_seconds_km_p50,
    queue.km90 AS queue_seconds_km_p90,
    queue.km95 AS queue_seconds_km_p95,
    coalesce(run_curve.censored, 0) AS run_censored,
    run.km50 AS run_seconds_km_p50,
    run.km90 AS run_seconds_km_p90,
    run.km95 AS run_seconds_km_p95,
    counts.expansion_jobs,
    round(counts.expansion / nullif(counts.expansion_jobs, 0), 6) AS mean_expansion_factor
FROM counts
LEFT JOIN curves AS queue_curve ON queue_curve.curve = 2 * counts.group_id
LEFT JOIN curves AS run_curve ON run_curve.curve = 2 * counts.group_id + 1
LEFT JOIN answers AS queue ON queue.curve = 2 * counts.group_id
LEFT JOIN answers AS run ON run.curve = 2 * counts.group_id + 1
