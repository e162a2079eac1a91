-- Grain: iTwin of the jobs of the ledger.
SELECT DISTINCT itwin_id
FROM jobs
WHERE itwin_id IS NOT NULL
ORDER BY itwin_id
