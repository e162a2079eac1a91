-- duration_stats: How long jobs wait and run, from their own times; a cancelled job's wait ended when it left the
--   queue. Plain percentiles are of finished jobs alone and so too short while long jobs still run; the Kaplan-Meier
--   ones (_km_) count open jobs as censored at as_of (vanished ones at vanished_at): they lasted at least so long. Rows
--   of month or type 'all' hold all of them, so every job counts in four rows: do not add rows up, and never average
--   percentiles. Leaves out durations of jobs in a terminal state without an end, runs of jobs that never started, and
--   open jobs before there is an as_of. One row per month of creation and type, each also as 'all'. Key: month, type.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
-- How: in steps, each a file of its own: duration_stats_durations, _statistics, _lengths, and shared_kaplan_meier.
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
    coalesce(queue.us_p50, list_extract(statistics.queue_km_us, 1)) / 1e6 AS queue_seconds_km_p50,
    coalesce(queue.us_p90, list_extract(statistics.queue_km_us, 2)) / 1e6 AS queue_seconds_km_p90,
    coalesce(queue.us_p95, list_extract(statistics.queue_km_us, 3)) / 1e6 AS queue_seconds_km_p95,
    statistics.run_censored,
    coalesce(run.us_p50, list_extract(statistics.run_km_us, 1)) / 1e6 AS run_seconds_km_p50,
    coalesce(run.us_p90, list_extract(statistics.run_km_us, 2)) / 1e6 AS run_seconds_km_p90,
    coalesce(run.us_p95, list_extract(statistics.run_km_us, 3)) / 1e6 AS run_seconds_km_p95,
    statistics.expansion_jobs,
    round(statistics.mean_expansion_factor, 6) AS mean_expansion_factor
FROM duration_stats_statistics AS statistics
LEFT JOIN duration_stats_kaplan_meier AS queue ON queue.curve = -statistics.row_id
LEFT JOIN duration_stats_kaplan_meier AS run ON run.curve = statistics.row_id
