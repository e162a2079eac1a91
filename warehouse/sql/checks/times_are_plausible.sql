-- Grain: row of contract_drift about a time that cannot be. It is null in jobs.
SELECT *
FROM contract_drift
WHERE kind = 'implausible'
ORDER BY jobs DESC, type, path
