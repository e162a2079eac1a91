-- Grain: iTwin that has jobs.
SELECT DISTINCT itwin_id FROM jobs WHERE itwin_id IS NOT NULL ORDER BY itwin_id
