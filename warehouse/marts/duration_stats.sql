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
with stays as (
    select
        substr(cast(cast(jobs.created_at as date) as varchar), 1, 7) as month,
        jobs.type,
        jobs.outcome,
        jobs.outcome <> 'open' as is_finished,
        jobs.vanished_at is not null as is_vanished,
        epoch_us(jobs.created_at) as created_us,
        epoch_us(jobs.started_at) as started_us,
        epoch_us(jobs.ended_at) as ended_us,
        case when jobs.outcome = 'open' then epoch_us(coalesce(jobs.vanished_at, clock.as_of)) end as open_until_us
    from jobs
    cross join clock
),

spans as (
    select
        month,
        type,
        0 as is_run,
        is_finished,
        started_us is null and ended_us is null as is_censored,
        coalesce(
            started_us - created_us,
            ended_us - created_us,
            case when open_until_us > created_us then open_until_us - created_us else 0 end
        ) as length_us
    from stays
    where coalesce(started_us, ended_us, open_until_us) is not null
    union all
    select
        month,
        type,
        1 as is_run,
        is_finished,
        ended_us is null as is_censored,
        coalesce(
            ended_us - started_us,
            case when open_until_us > started_us then open_until_us - started_us else 0 end
        ) as length_us
    from stays
    where started_us is not null and coalesce(ended_us, open_until_us) is not null
),

cells as (
    select
        month,
        type,
        count(*) as jobs,
        count(*) filter (where is_finished) as finished,
        count(*) filter (where not is_finished and not is_vanished) as open,
        count(*) filter (where not is_finished and is_vanished) as vanished_open
    from stays
    group by month, type
),

-- The rows that each cell counts in.
members as (
    select
        cells.month,
        cells.type,
        case when wide.all_months then 'all' else cells.month end as in_month,
        case when wide.all_types then 'all' else cells.type end as in_type,
        dense_rank() over (
            order by
                case when wide.all_months then 'all' else cells.month end,
                case when wide.all_types then 'all' else cells.type end
        ) as group_id
    from cells
    cross join (
        values (false, false), (false, true), (true, false), (true, true)
    ) as wide(all_months, all_types)
),

counts as (
    select
        members.group_id,
        members.in_month as month,
        members.in_type as type,
        cast(sum(cells.jobs) as bigint) as jobs,
        cast(sum(cells.finished) as bigint) as finished,
        cast(sum(cells.open) as bigint) as open,
        cast(sum(cells.vanished_open) as bigint) as vanished_open
    from cells
    join members on members.month = cells.month and members.type is not distinct from cells.type
    group by members.group_id, members.in_month, members.in_type
),

-- A curve is the durations of one kind (queue, run) in one row of the mart.
durations as (
    select
        cast(2 * members.group_id + spans.is_run as integer) as curve,
        spans.length_us,
        spans.is_censored,
        spans.is_finished
    from spans
    join members on members.month = spans.month and members.type is not distinct from spans.type
),

curves as (
    select
        curve,
        count(*) as n,
        count(*) filter (where is_censored) as censored,
        count(*) filter (where is_finished) as finished,
        percentile_cont(0.5) within group (order by length_us) filter (where is_finished) / 1e6 as p50,
        percentile_cont(0.9) within group (order by length_us) filter (where is_finished) / 1e6 as p90,
        percentile_cont(0.95) within group (order by length_us) filter (where is_finished) / 1e6 as p95,
        percentile_cont(0.99) within group (order by length_us) filter (where is_finished) / 1e6 as p99
    from durations
    group by curve
),

ranked as (
    select
        curve,
        length_us,
        is_censored,
        row_number() over (partition by curve order by length_us, is_censored) as place
    from durations
),

censored_places as (
    select
        ranked.curve,
        ranked.place,
        sum(
            case when ranked.place < curves.n then ln((curves.n - ranked.place + 1.0) / (curves.n - ranked.place)) else 0 end
        ) over (partition by ranked.curve order by ranked.place rows unbounded preceding) as log_lift
    from ranked
    join curves on curves.curve = ranked.curve
    where ranked.is_censored
    union all
    select curve, 0 as place, 0 as log_lift
    from curves
),

segments as (
    select
        censored_places.curve,
        curves.n,
        censored_places.place + 1 as first_place,
        coalesce(
            lead(censored_places.place) over (partition by censored_places.curve order by censored_places.place) - 1,
            curves.n
        ) as last_place,
        exp(censored_places.log_lift) as lift
    from censored_places
    join curves on curves.curve = censored_places.curve
),

quantile_places as (
    select
        segments.curve,
        wanted.p,
        min(
            case
                when ceil(segments.n * (1 - (1 - wanted.p + 1e-9) / segments.lift)) > segments.first_place
                    then ceil(segments.n * (1 - (1 - wanted.p + 1e-9) / segments.lift))
                else segments.first_place
            end
        ) as place
    from segments
    cross join (values (0.5e0), (0.9e0), (0.95e0)) as wanted(p)
    where
        segments.first_place <= segments.last_place
        and ceil(segments.n * (1 - (1 - wanted.p + 1e-9) / segments.lift)) <= segments.last_place
    group by segments.curve, wanted.p
),

km as (
    select
        quantile_places.curve,
        max(case when quantile_places.p = 0.5e0 then ranked.length_us end) / 1e6 as p50,
        max(case when quantile_places.p = 0.9e0 then ranked.length_us end) / 1e6 as p90,
        max(case when quantile_places.p = 0.95e0 then ranked.length_us end) / 1e6 as p95
    from quantile_places
    join ranked on ranked.curve = quantile_places.curve and ranked.place = cast(quantile_places.place as bigint)
    group by quantile_places.curve
),

-- Total over run of finished jobs that ran for more than no time.
expansions as (
    select
        members.group_id,
        count(*) as jobs,
        round(avg((stays.ended_us - stays.created_us) / cast(stays.ended_us - stays.started_us as double)), 6) as factor
    from stays
    join members on members.month = stays.month and members.type is not distinct from stays.type
    where stays.is_finished and stays.ended_us > stays.started_us
    group by members.group_id
)

select
    counts.month,
    counts.type,
    counts.jobs,
    counts.finished,
    counts.open,
    counts.vanished_open,
    coalesce(queue.finished, 0) as with_queue,
    queue.p50 as queue_seconds_p50,
    queue.p90 as queue_seconds_p90,
    queue.p95 as queue_seconds_p95,
    queue.p99 as queue_seconds_p99,
    coalesce(run.finished, 0) as with_run,
    run.p50 as run_seconds_p50,
    run.p90 as run_seconds_p90,
    run.p95 as run_seconds_p95,
    run.p99 as run_seconds_p99,
    coalesce(queue.censored, 0) as queue_censored,
    queue_km.p50 as queue_seconds_km_p50,
    queue_km.p90 as queue_seconds_km_p90,
    queue_km.p95 as queue_seconds_km_p95,
    coalesce(run.censored, 0) as run_censored,
    run_km.p50 as run_seconds_km_p50,
    run_km.p90 as run_seconds_km_p90,
    run_km.p95 as run_seconds_km_p95,
    expansions.factor as mean_expansion_factor,
    coalesce(expansions.jobs, 0) as expansion_jobs
from counts
left join curves as queue on queue.curve = 2 * counts.group_id
left join curves as run on run.curve = 2 * counts.group_id + 1
left join km as queue_km on queue_km.curve = 2 * counts.group_id
left join km as run_km on run_km.curve = 2 * counts.group_id + 1
left join expansions on expansions.group_id = counts.group_id
order by counts.month, counts.type
