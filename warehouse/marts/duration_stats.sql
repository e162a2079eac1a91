-- duration_stats: how long jobs wait and run.
-- Grain: month of creation (UTC) and type, each also as 'all': every job stands in four rows.
-- Counts: queue and run of each job, from its own times; a cancelled job's wait ended when it left the queue.
--   The plain percentiles are those of finished jobs alone. The Kaplan-Meier ones (_km_) also take the jobs that still
--   wait or run, as censored at as_of, or at vanished_at where they vanished while open: they lasted at least so long.
--   A Kaplan-Meier quantile is the smallest t with S(t) <= 1 - p, null where the curve does not come down so far.
-- Leaves out: the duration of a job in a terminal state without ended_at (it counts as finished; when it ended is not
--   known), the run of a job that never started, and open jobs before there is an as_of. No row for what has no jobs.
-- How the curve is read: sort a curve's n durations (ended before censored at the same length). Behind place k, the
--   product of (1 - 1/at risk) over the ended ones is (n - k)/n times the product of at_risk/(at_risk - 1) over the
--   censored ones up to k. So the second product, constant between two censored places, gives the place of a quantile
--   without walking all durations. 1e-9 takes care of a curve that meets 1 - p exactly.
WITH stays AS (
    SELECT
        substr(CAST(CAST(jobs.created_at AS DATE) AS VARCHAR), 1, 7) AS month,
        jobs.type,
        jobs.outcome,
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
        count(*) FILTER (WHERE NOT is_finished AND is_vanished) AS vanished_open
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
        VALUES (FALSE, FALSE), (FALSE, TRUE), (TRUE, FALSE), (TRUE, TRUE)
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
        CAST(sum(cells.vanished_open) AS BIGINT) AS vanished_open
    FROM cells
    INNER JOIN members ON members.month = cells.month AND members.type IS NOT DISTINCT FROM cells.type
    GROUP BY members.group_id, members.in_month, members.in_type
),

-- A curve is the durations of one kind (queue, run) in one row of the mart.
durations AS (
    SELECT
        CAST(2 * members.group_id + spans.is_run AS INTEGER) AS curve,
        spans.length_us,
        spans.is_censored,
        spans.is_finished
    FROM spans
    INNER JOIN members ON members.month = spans.month AND members.type IS NOT DISTINCT FROM spans.type
),

curves AS (
    SELECT
        curve,
        count(*) AS n,
        count(*) FILTER (WHERE is_censored) AS censored,
        count(*) FILTER (WHERE is_finished) AS finished,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY length_us) FILTER (WHERE is_finished) / 1e6 AS p50,
        percentile_cont(0.9) WITHIN GROUP (ORDER BY length_us) FILTER (WHERE is_finished) / 1e6 AS p90,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY length_us) FILTER (WHERE is_finished) / 1e6 AS p95,
        percentile_cont(0.99) WITHIN GROUP (ORDER BY length_us) FILTER (WHERE is_finished) / 1e6 AS p99
    FROM durations
    GROUP BY curve
),

ranked AS (
    SELECT
        curve,
        length_us,
        is_censored,
        row_number() OVER (PARTITION BY curve ORDER BY length_us, is_censored) AS place
    FROM durations
),

censored_places AS (
    SELECT
        ranked.curve,
        ranked.place,
        sum(
            CASE WHEN ranked.place < curves.n THEN ln((curves.n - ranked.place + 1.0) / (curves.n - ranked.place)) ELSE 0 END
        ) OVER (PARTITION BY ranked.curve ORDER BY ranked.place ROWS UNBOUNDED PRECEDING) AS log_lift
    FROM ranked
    INNER JOIN curves ON curves.curve = ranked.curve
    WHERE ranked.is_censored
    UNION ALL
    SELECT curve, 0 AS place, 0 AS log_lift
    FROM curves
),

segments AS (
    SELECT
        censored_places.curve,
        curves.n,
        censored_places.place + 1 AS first_place,
        coalesce(
            lead(censored_places.place) OVER (PARTITION BY censored_places.curve ORDER BY censored_places.place) - 1,
            curves.n
        ) AS last_place,
        exp(censored_places.log_lift) AS lift
    FROM censored_places
    INNER JOIN curves ON curves.curve = censored_places.curve
),

quantile_places AS (
    SELECT
        segments.curve,
        wanted.p,
        min(
            CASE
                WHEN ceil(segments.n * (1 - (1 - wanted.p + 1e-9) / segments.lift)) > segments.first_place
                    THEN ceil(segments.n * (1 - (1 - wanted.p + 1e-9) / segments.lift))
                ELSE segments.first_place
            END
        ) AS place
    FROM segments
    CROSS JOIN (VALUES (0.5e0), (0.9e0), (0.95e0)) AS wanted(p)
    WHERE
        segments.first_place <= segments.last_place
        AND ceil(segments.n * (1 - (1 - wanted.p + 1e-9) / segments.lift)) <= segments.last_place
    GROUP BY segments.curve, wanted.p
),

km AS (
    SELECT
        quantile_places.curve,
        max(CASE WHEN quantile_places.p = 0.5e0 THEN ranked.length_us END) / 1e6 AS p50,
        max(CASE WHEN quantile_places.p = 0.9e0 THEN ranked.length_us END) / 1e6 AS p90,
        max(CASE WHEN quantile_places.p = 0.95e0 THEN ranked.length_us END) / 1e6 AS p95
    FROM quantile_places
    INNER JOIN ranked ON ranked.curve = quantile_places.curve AND ranked.place = CAST(quantile_places.place AS BIGINT)
    GROUP BY quantile_places.curve
),

-- Total over run of finished jobs that ran for more than no time.
expansions AS (
    SELECT
        members.group_id,
        count(*) AS jobs,
        round(avg((stays.ended_us - stays.created_us) / CAST(stays.ended_us - stays.started_us AS DOUBLE)), 6) AS factor
    FROM stays
    INNER JOIN members ON members.month = stays.month AND members.type IS NOT DISTINCT FROM stays.type
    WHERE stays.is_finished AND stays.ended_us > stays.started_us
    GROUP BY members.group_id
)

SELECT
    counts.month,
    counts.type,
    counts.jobs,
    counts.finished,
    counts.open,
    counts.vanished_open,
    coalesce(queue.finished, 0) AS with_queue,
    queue.p50 AS queue_seconds_p50,
    queue.p90 AS queue_seconds_p90,
    queue.p95 AS queue_seconds_p95,
    queue.p99 AS queue_seconds_p99,
    coalesce(run.finished, 0) AS with_run,
    run.p50 AS run_seconds_p50,
    run.p90 AS run_seconds_p90,
    run.p95 AS run_seconds_p95,
    run.p99 AS run_seconds_p99,
    coalesce(queue.censored, 0) AS queue_censored,
    queue_km.p50 AS queue_seconds_km_p50,
    queue_km.p90 AS queue_seconds_km_p90,
    queue_km.p95 AS queue_seconds_km_p95,
    coalesce(run.censored, 0) AS run_censored,
    run_km.p50 AS run_seconds_km_p50,
    run_km.p90 AS run_seconds_km_p90,
    run_km.p95 AS run_seconds_km_p95,
    expansions.factor AS mean_expansion_factor,
    coalesce(expansions.jobs, 0) AS expansion_jobs
FROM counts
LEFT JOIN curves AS queue ON queue.curve = 2 * counts.group_id
LEFT JOIN curves AS run ON run.curve = 2 * counts.group_id + 1
LEFT JOIN km AS queue_km ON queue_km.curve = 2 * counts.group_id
LEFT JOIN km AS run_km ON run_km.curve = 2 * counts.group_id + 1
LEFT JOIN expansions ON expansions.group_id = counts.group_id
ORDER BY counts.month, counts.type
