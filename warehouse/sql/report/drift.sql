-- drift: What the API sent that the contract does not know, and records that could not become rows; both are kept. Of all
--   iTwins. One row per kind of job, place and kind of difference.
SELECT
    coalesce(type, 'no type') AS type,
    path,
    kind,
    CAST(sum(jobs) AS BIGINT) AS jobs,
    min(example) AS example
FROM contract_drift
GROUP BY type, path, kind

UNION ALL

SELECT
    'any' AS type,
    '$' AS path,
    'rejected: ' || reason AS kind,
    count(*) AS jobs,
    NULL AS example
FROM rejected_records
GROUP BY reason

ORDER BY jobs DESC, type, path, kind
LIMIT 15
