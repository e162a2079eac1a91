-- Grain: iTwin and reality data that its jobs refer to. A detector may be reality data, too.
SELECT DISTINCT j.itwin_id, r.reference
FROM job_references AS r
INNER JOIN jobs AS j ON j.job_id = r.job_id
WHERE r.kind IN ('reality_data', 'detector')
    AND regexp_full_match(r.reference, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
    AND j.itwin_id IS NOT NULL
ORDER BY ALL
