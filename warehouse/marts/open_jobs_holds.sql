-- open_jobs_holds: without open jobs there is nothing that could age.
SELECT count(*) = 0 AS holds
FROM earlier
