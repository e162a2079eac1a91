-- times_by_month: How long jobs wait and run, over all types and iTwins; jobs that still wait or run count as censored.
--   One row per month of creation.
SELECT
    month,
    finished,
    queue_censored AS still_waiting,
    run_censored AS still_running,
    queue_seconds_km_p50,
    queue_seconds_km_p95,
    run_seconds_km_p50,
    run_seconds_km_p95
FROM duration_stats
WHERE type = 'all' AND month BETWEEN $first AND $last
ORDER BY month
