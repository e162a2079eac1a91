-- Grain: iTwin of the jobs of the ledger, with its name where that is known.
SELECT
    jobs.itwin_id AS id,
    any_value(itwins.name) AS name
FROM jobs
LEFT JOIN itwins ON jobs.itwin_id = itwins.itwin_id
WHERE jobs.itwin_id IS NOT NULL
GROUP BY jobs.itwin_id
ORDER BY jobs.itwin_id
