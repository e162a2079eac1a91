-- Grain: answer of this run that is to be kept: a body that differs from the last kept one of the same thing, shown in the
-- same way, or that comes after a 404; and each refusal, so that it is known when it was last asked for.
WITH newest_seen AS (
    SELECT *
    FROM seen
    QUALIFY row_number() OVER (PARTITION BY kind, id, itwin_id, source ORDER BY observed_at DESC, place DESC) = 1
),

last_kept AS (
    SELECT kind, id, itwin_id, source, arg_max(body_hash, observed_at) AS body_hash, max(observed_at) AS observed_at
    FROM name_observations
    WHERE body IS NOT NULL
    GROUP BY ALL
),

departures AS (
    SELECT kind, id, itwin_id, max(observed_at) AS observed_at
    FROM name_observations
    WHERE http_status = 404
    GROUP BY ALL
)

SELECT s.* EXCLUDE (place)
FROM newest_seen AS s
LEFT JOIN last_kept AS k
    ON k.kind = s.kind AND k.id = s.id AND k.itwin_id IS NOT DISTINCT FROM s.itwin_id AND k.source = s.source
LEFT JOIN departures AS d ON d.kind = s.kind AND d.id = s.id AND d.itwin_id IS NOT DISTINCT FROM s.itwin_id
WHERE s.body IS NULL OR s.body_hash IS DISTINCT FROM k.body_hash OR d.observed_at > k.observed_at
