-- Grain: kind of difference, kind of job (or of name) and JSON path, over all months and editions.
SELECT
    kind,
    type,
    path,
    sum(jobs)::BIGINT AS jobs
FROM (
    SELECT kind, type, path, jobs FROM contract_drift
    UNION ALL
    SELECT kind, type, path, jobs FROM name_drift
)
GROUP BY kind, type, path
ORDER BY kind, type, path
