-- Grain: job of the month that the ledger knows, with the newest row that it has of it.
SELECT
    job_id,
    any_value(itwin_id) AS itwin_id,
    max(observed_at) AS last_observed_at,
    arg_max(http_status, observed_at) AS http_status,
    arg_max(body_hash, observed_at) AS body_hash,
    bool_and(source = 'get') AS only_by_id
FROM observations
GROUP BY job_id
