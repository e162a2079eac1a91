-- duration_stats: how long jobs wait and run.
-- Grain: month of creation (UTC) and type, each also as 'all': every job stands in four rows.
-- Counts: queue and run of each job, from its own times; a cancelled job's wait ended when it left the queue.
--   The plain percentiles are those of finished jobs alone, interpolated between neighbours as percentile_cont does.
--   The Kaplan-Meier ones (_km_) also take the jobs that still wait or run, as censored at as_of, or at vanished_at
--   where they vanished while open: they lasted at least so long. A Kaplan-Meier quantile is the smallest t with
--   S(t) <= 1 - p, null where the curve does not come down so far.
-- Leaves out: the duration of a job in a terminal state without ended_at (it counts as finished; when it ended is not
--   known), the run of a job that never started, and open jobs before there is an as_of. No row for what has no jobs.
-- How: a million jobs make eight million durations here, so they are sorted once (at one length, ended before censored)
--   and every statistic becomes a place in that order. Between two unfinished jobs the ranks among the finished move
--   with the places. Behind place k of n, the Kaplan-Meier product of (1 - 1/at risk) over the ended ones is (n - k)/n,
--   lifted by the product of at_risk/(at_risk - 1) over the censored ones up to k, which is constant between two of
--   them. 1e-9 takes care of a curve that meets 1 - p exactly.
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

span_cells AS (
    SELECT
        month,
        type,
        is_run,
        count(*) AS n,
        count(*) FILTER (WHERE is_censored) AS censored,
        count(*) FILTER (WHERE is_finished) AS finished
    FROM spans
    GROUP BY month, type, is_run
),

-- A curve is the durations of one kind (queue, run) in one row of the mart.
curves AS (
    SELECT
        CAST(2 * members.group_id + span_cells.is_run AS INTEGER) AS curve,
        CAST(sum(span_cells.n) AS BIGINT) AS n,
        CAST(sum(span_cells.censored) AS BIGINT) AS censored,
        CAST(sum(span_cells.finished) AS BIGINT) AS finished
    FROM span_cells
    INNER JOIN members ON members.month = span_cells.month AND members.type IS NOT DISTINCT FROM span_cells.type
    GROUP BY CAST(2 * members.group_id + span_cells.is_run AS INTEGER)
),

ranked AS (
    SELECT
        CAST(2 * members.group_id + spans.is_run AS INTEGER) AS curve,
        spans.length_us,
        spans.is_censored,
        spans.is_finished,
        row_number() OVER (
            PARTITION BY CAST(2 * members.group_id + spans.is_run AS INTEGER)
            ORDER BY spans.length_us, spans.is_censored
        ) AS place
    FROM spans
    INNER JOIN members ON members.month = spans.month AND members.type IS NOT DISTINCT FROM spans.type
),

-- Place 0 of each curve, its unfinished jobs and its end: `passed` unfinished ones lie up to each.
unfinished AS (
    SELECT
        curve,
        place,
        row_number() OVER (PARTITION BY curve ORDER BY place) AS passed
    FROM ranked
    WHERE NOT is_finished
    UNION ALL
    SELECT curve, 0 AS place, 0 AS passed
    FROM curves
),

finished_stretches AS (
    SELECT
        unfinished.curve,
        unfinished.passed,
        unfinished.place + 1 - unfinished.passed AS first_rank,
        coalesce(
            lead(unfinished.place) OVER (PARTITION BY unfinished.curve ORDER BY unfinished.place) - 1, curves.n
        ) - unfinished.passed AS last_rank
    FROM unfinished
    INNER JOIN curves ON curves.curve = unfinished.curve
),

-- Each percentile lies between two ranks among the finished, from 1, with these weights.
percentile_ranks AS (
    SELECT
        curves.curve,
        wanted.name,
        side.upper AS side,
        CAST(floor((curves.finished - 1) * wanted.p) AS BIGINT) + 1 + side.upper AS rank_wanted,
        abs(1 - side.upper - ((curves.finished - 1) * wanted.p - floor((curves.finished - 1) * wanted.p))) AS weight
    FROM curves
    CROSS JOIN (VALUES ('p50', 0.5e0), ('p90', 0.9e0), ('p95', 0.95e0), ('p99', 0.99e0)) AS wanted(name, p)
    CROSS JOIN (VALUES (0), (1)) AS side(upper)
    WHERE curves.finished > 0
),

-- A rank lies in one stretch alone. Grouped all the same: a planner then expects few rows to look up.
percentile_places AS (
    SELECT
        percentile_ranks.curve,
        percentile_ranks.name,
        max(percentile_ranks.rank_wanted + finished_stretches.passed) AS place,
        percentile_ranks.weight
    FROM percentile_ranks
    INNER JOIN finished_stretches ON finished_stretches.curve = percentile_ranks.curve
    WHERE
        percentile_ranks.weight > 0
        AND percentile_ranks.rank_wanted BETWEEN finished_stretches.first_rank AND finished_stretches.last_rank
    GROUP BY percentile_ranks.curve, percentile_ranks.name, percentile_ranks.side, percentile_ranks.weight
),

-- Place 0 of each curve and its censored jobs, with the logarithm of what lifts the curve behind each.
lifts AS (
    SELECT
        ranked.curve,
        ranked.place,
        sum(
            CASE
                WHEN ranked.place < curves.n THEN ln((curves.n - ranked.place + 1e0) / (curves.n - ranked.place))
                ELSE 0
            END
        ) OVER (PARTITION BY ranked.curve ORDER BY ranked.place ROWS UNBOUNDED PRECEDING) AS log_lift
    FROM ranked
    INNER JOIN curves ON curves.curve = ranked.curve
    WHERE ranked.is_censored
    UNION ALL
    SELECT curve, 0 AS place, 0 AS log_lift
    FROM curves
),

km_stretches AS (
    SELECT
        lifts.curve,
        curves.n,
        lifts.place + 1 AS first_place,
        coalesce(lead(lifts.place) OVER (PARTITION BY lifts.curve ORDER BY lifts.place) - 1, curves.n) AS last_place,
        exp(lifts.log_lift) AS lift
    FROM lifts
    INNER JOIN curves ON curves.curve = lifts.curve
),

-- The first place of each stretch behind which the curve is down at 1 - p, if it lies in the stretch.
km_candidates AS (
    SELECT
        km_stretches.curve,
        wanted.name,
        km_stretches.first_place,
        km_stretches.last_place,
        ceil(km_stretches.n * (1 - (1 - wanted.p + 1e-9) / km_stretches.lift)) AS place
    FROM km_stretches
    CROSS JOIN (VALUES ('km50', 0.5e0), ('km90', 0.9e0), ('km95', 0.95e0)) AS wanted(name, p)
    WHERE km_stretches.first_place <= km_stretches.last_place
),

km_places AS (
    SELECT
        curve,
        name,
        min(CASE WHEN place > first_place THEN CAST(place AS BIGINT) ELSE first_place END) AS place
    FROM km_candidates
    WHERE place <= last_place
    GROUP BY curve, name
),

wanted_places AS (
    SELECT curve, name, place, weight
    FROM percentile_places
    UNION ALL
    SELECT curve, name, place, 1 AS weight
    FROM km_places
),

statistics AS (
    SELECT
        wanted_places.curve,
        wanted_places.name,
        sum(wanted_places.weight * ranked.length_us) / 1e6 AS seconds
    FROM wanted_places
    INNER JOIN ranked ON ranked.curve = wanted_places.curve AND ranked.place = wanted_places.place
    GROUP BY wanted_places.curve, wanted_places.name
),

answers AS (
    SELECT
        curve,
        max(seconds) FILTER (WHERE name = 'p50') AS p50,
        max(seconds) FILTER (WHERE name = 'p90') AS p90,
        max(seconds) FILTER (WHERE name = 'p95') AS p95,
        max(seconds) FILTER (WHERE name = 'p99') AS p99,
        max(seconds) FILTER (WHERE name = 'km50') AS km50,
        max(seconds) FILTER (WHERE name = 'km90') AS km90,
        max(seconds) FILTER (WHERE name = 'km95') AS km95
    FROM statistics
    GROUP BY curve
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
