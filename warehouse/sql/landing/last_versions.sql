-- Grain: job of the month that the ledger has and that neither vanished nor moved, with what its newest version says.
SELECT o.job_id, o.itwin_id, o.created_at, o.body_hash
FROM observations AS o
INNER JOIN last_kept AS l ON l.job_id = o.job_id AND l.last_observed_at = o.observed_at
WHERE o.http_status = 200
