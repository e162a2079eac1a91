-- Grain: type of jobs in the ledger.
SELECT
    type,
    count(*) AS jobs
FROM jobs
WHERE type IS NOT NULL
GROUP BY type
ORDER BY type
