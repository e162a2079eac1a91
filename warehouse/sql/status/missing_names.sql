-- Grain: kind and status of what the newest asking for names did not get: whole lists that were refused, or did not come, and
-- things that were refused one by one where the list came. `places` are iTwins with reality data, else askings or things.
WITH newest AS (
    SELECT *
    FROM name_walks
    WHERE kind <> 'itwin_list'
    QUALIFY row_number() OVER (PARTITION BY kind, itwin_id ORDER BY started_at DESC) = 1
)

SELECT kind, http_status, count(*) AS places, false AS one_by_one
FROM newest
WHERE NOT complete
GROUP BY ALL
UNION ALL
SELECT kind, 404 AS http_status, sum(refused)::BIGINT AS places, true AS one_by_one
FROM newest
WHERE complete AND refused > 0 AND kind IN ('itwin', 'user')
GROUP BY ALL
ORDER BY ALL
