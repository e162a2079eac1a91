-- Grain: iTwin that has jobs or whose name was asked for. The name is null where it is not known.
SELECT coalesce(i.itwin_id, j.itwin_id) AS itwin_id, i.name
FROM itwins AS i
FULL JOIN (SELECT DISTINCT itwin_id FROM jobs WHERE itwin_id IS NOT NULL) AS j ON j.itwin_id = i.itwin_id
ORDER BY itwin_id
