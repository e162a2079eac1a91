-- Grain: kind, type and path, over all months and editions.
SELECT kind, type, path, sum(jobs)::BIGINT AS jobs, min(example) AS example
FROM contract_drift
GROUP BY kind, type, path
ORDER BY jobs DESC, kind, type, path
LIMIT 12
