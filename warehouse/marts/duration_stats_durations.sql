-- duration_stats_durations: how long each job waited and ran, or has waited and run so far.
-- Grain: job.
-- Counts: microseconds; *_so_far_us is of a wait, or run, that has begun and not ended.
-- Leaves out: nothing.
SELECT
    jobs.created_month AS month,
    jobs.type,
    jobs.outcome <> 'open' AS is_finished,
    jobs.vanished_at IS NOT NULL AS is_vanished,
    epoch_us(coalesce(jobs.started_at, jobs.ended_at)) - epoch_us(jobs.created_at) AS queue_us,
    epoch_us(jobs.ended_at) - epoch_us(jobs.started_at) AS run_us,
    epoch_us(jobs.ended_at) - epoch_us(jobs.created_at) AS total_us,
    so_far_us(
        jobs.created_at, coalesce(jobs.started_at, jobs.ended_at), jobs.outcome, jobs.vanished_at, clock.as_of
    ) AS queue_so_far_us,
    so_far_us(jobs.started_at, jobs.ended_at, jobs.outcome, jobs.vanished_at, clock.as_of) AS run_so_far_us
FROM jobs
CROSS JOIN clock
