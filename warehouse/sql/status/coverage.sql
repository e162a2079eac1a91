-- Grain: job type. `with_units` and `with_times` are the ended jobs that tell their units, and both start and end.
SELECT
    type,
    count(*) AS jobs,
    count(*) FILTER (WHERE outcome <> 'open') AS ended,
    count(*) FILTER (WHERE outcome <> 'open' AND units IS NOT NULL) AS with_units,
    count(*) FILTER (WHERE outcome <> 'open' AND run_seconds IS NOT NULL) AS with_times,
    count(*) FILTER (WHERE edition IS NULL) AS edition_unknown,
    count(*) FILTER (WHERE vanished_at IS NOT NULL) AS vanished
FROM jobs
GROUP BY type
ORDER BY jobs DESC, type
