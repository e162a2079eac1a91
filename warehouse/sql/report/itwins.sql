-- itwins: The iTwins that have jobs, with their names where these are known. One row per iTwin.
SELECT DISTINCT
    itwin_id,
    itwin_name
FROM named.units_by_month
WHERE itwin_id IS NOT NULL
ORDER BY itwin_id
