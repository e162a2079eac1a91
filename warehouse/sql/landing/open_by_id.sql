-- Grain: known job of the month that came by id alone and whose newest version is open.
SELECT o.job_id
FROM observations AS o
INNER JOIN last_kept AS l ON l.job_id = o.job_id AND l.last_observed_at = o.observed_at
WHERE l.only_by_id AND l.http_status = 200
    AND o.source = 'get'  -- what came by id alone did so: where nothing did, no body is read
    AND coalesce(state_of(o.body), '') NOT IN ($ended_states)
