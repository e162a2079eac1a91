-- hourly_load_holds: the hours change with the time only through jobs that are open and there.
SELECT count(*) = 0 AS holds
FROM jobs
WHERE outcome = 'open' AND vanished_at IS NULL
