-- How long the newest jobs of a type waited, or have waited so far.
-- Grain: curve ('hour': of the newest 200 jobs created at this time of day, an hour more or less; 'any': of the newest 200)
--   and length in microseconds.
-- Counts: jobs of the length, and those of them whose wait was over; the others wait still, or did when they vanished.
-- Leaves out: waits of jobs in a terminal state whose end is not known.
WITH curves AS (
    SELECT
        curves.curve,
        jobs.*
    FROM jobs
    INNER JOIN (VALUES ('hour'), ('any')) AS curves(curve)
        ON curves.curve = 'any' OR (24 + hour(jobs.created_at) - $hour + 1) % 24 <= 2
    WHERE jobs.type = $type
    QUALIFY row_number() OVER (PARTITION BY curves.curve ORDER BY jobs.created_at DESC, jobs.job_id) <= 200
),

waits AS (
    SELECT
        curves.curve,
        epoch_us(coalesce(curves.started_at, curves.ended_at)) - epoch_us(curves.created_at) AS queue_us,
        so_far_us(
            curves.created_at,
            coalesce(curves.started_at, curves.ended_at),
            curves.outcome,
            curves.vanished_at,
            clock.as_of
        ) AS queue_so_far_us
    FROM curves
    CROSS JOIN clock
)

SELECT
    curve,
    coalesce(queue_us, queue_so_far_us) AS length_us,
    count(*)::DOUBLE AS jobs,
    count(queue_us)::DOUBLE AS ended
FROM waits
WHERE coalesce(queue_us, queue_so_far_us) IS NOT NULL
GROUP BY ALL
