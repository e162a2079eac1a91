-- open_summary: How many jobs wait and run, and how many of them are stuck. One row per phase, 'queue' or 'run'.
SELECT
    phase,
    count(*) AS jobs,
    count(*) FILTER (WHERE is_stuck) AS stuck,
    count(*) FILTER (WHERE is_stuck IS NULL) AS cannot_tell,
    max(age_seconds) AS longest_seconds
FROM open_jobs
WHERE itwin_id IS NOT DISTINCT FROM coalesce($itwin, itwin_id)
GROUP BY phase
ORDER BY phase
