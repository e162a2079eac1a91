-- Grain: iTwin and reality data that its jobs refer to. A detector may be reality data, too. Leaves out what jobs that did not
-- succeed were to make: a list shows it where it was made all the same.
SELECT DISTINCT j.itwin_id, r.reference
FROM job_references AS r
INNER JOIN jobs AS j ON j.job_id = r.job_id
WHERE r.kind IN ('reality_data', 'detector')
    AND (r.direction = 'input' OR j.outcome = 'success')
    AND regexp_full_match(r.reference, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
    AND j.itwin_id IS NOT NULL
ORDER BY ALL
