-- estimates_lengths: how many of the like jobs ran so long.
-- Grain: curve (the runs of an estimate's like jobs) and length in microseconds.
-- Counts: jobs of the length, and those of them that had ended by it; the others run still, or ran when they vanished.
-- Leaves out: jobs that did not start, or in a terminal state without an end.
SELECT
    estimate AS curve,
    coalesce(run_us, run_so_far_us) AS length_us,
    CAST(count(*) AS DOUBLE) AS jobs,
    CAST(count(run_us) AS DOUBLE) AS ended
FROM estimates_like_jobs
WHERE coalesce(run_us, run_so_far_us) IS NOT NULL
GROUP BY estimate, coalesce(run_us, run_so_far_us)
