-- hourly_load_holds: the hours change with the time only through jobs that are open and there, and through times that lie
-- behind it: they may be more than a day behind.
SELECT count(*) = 0 AS holds
FROM jobs
CROSS JOIN clock
CROSS JOIN earlier_clock
WHERE
    jobs.outcome = 'open' AND jobs.vanished_at IS NULL
    OR NOT coalesce(
        greatest(jobs.created_at, jobs.started_at, jobs.ended_at, jobs.vanished_at) <= earlier_clock.as_of
        AND earlier_clock.as_of <= clock.as_of,
        FALSE
    )
