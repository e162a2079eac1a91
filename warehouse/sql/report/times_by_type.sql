-- times_by_type: How long jobs wait and run, over all months and iTwins; jobs that still wait or run count as censored
--   (Kaplan-Meier), so that their time is not told too short. One row per type.
SELECT
    type,
    jobs,
    finished,
    queue_censored AS still_waiting,
    run_censored AS still_running,
    queue_seconds_km_p50,
    queue_seconds_km_p90,
    queue_seconds_km_p95,
    run_seconds_km_p50,
    run_seconds_km_p90,
    run_seconds_km_p95
FROM duration_stats
WHERE month = 'all' AND type <> 'all'
ORDER BY jobs DESC, type
LIMIT 20
