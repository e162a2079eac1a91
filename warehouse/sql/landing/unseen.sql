-- Grain: known job of the month that this run was not shown, with the newest row that the ledger has of it.
SELECT l.*
FROM last_kept AS l
ANTI JOIN (SELECT job_id FROM classified WHERE reason IS NULL) AS s ON s.job_id = l.job_id
WHERE l.http_status = 200
