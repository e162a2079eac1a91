-- Grain: thing (iTwin, reality data, detector or user) that was ever shown, with its newest body.
-- A list and an answer by id say different things of an iTwin or a detector: what the newer of the two lacks is taken from
-- the other one. Reality data are the same in both, so the newest body stands alone.
WITH answers AS (
    SELECT kind, spelled(id) AS id, spelled(itwin_id) AS itwin_id, source, observed_at, http_status, body
    FROM name_observations
),

newest_bodies AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY kind, id ORDER BY observed_at DESC, source, itwin_id) AS place
    FROM (
        SELECT *
        FROM answers
        WHERE body IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY kind, id, source ORDER BY observed_at DESC, itwin_id) = 1
    )
),

merged_bodies AS (
    SELECT
        n.kind,
        n.id,
        n.itwin_id,
        CASE
            WHEN o.body IS NOT NULL AND n.kind IN ('itwin', 'detector') THEN json_merge_patch(o.body::JSON, n.body::JSON)
            ELSE n.body::JSON
        END AS body
    FROM newest_bodies AS n
    LEFT JOIN newest_bodies AS o ON o.kind = n.kind AND o.id = n.id AND o.place = 2
    WHERE n.place = 1
),

-- What was last said of a thing in each iTwin, but for refusals, which say nothing of it.
last_words AS (
    SELECT kind, id, observed_at, http_status
    FROM answers
    WHERE http_status IN (200, 404)
    QUALIFY row_number() OVER (PARTITION BY kind, id, itwin_id ORDER BY observed_at DESC, http_status) = 1
),

departures AS (
    SELECT kind, id, max(observed_at) AS gone_at
    FROM last_words
    GROUP BY kind, id
    HAVING bool_and(http_status = 404)
),

histories AS (
    SELECT kind, id, min(observed_at) AS first_observed_at, max(observed_at) AS changed_at, count(*) AS versions
    FROM answers
    WHERE body IS NOT NULL
    GROUP BY kind, id
)

SELECT b.kind, b.id, b.itwin_id AS seen_in, b.body, h.first_observed_at, h.changed_at, h.versions, d.gone_at
FROM merged_bodies AS b
INNER JOIN histories AS h ON h.kind = b.kind AND h.id = b.id
LEFT JOIN departures AS d ON d.kind = b.kind AND d.id = b.id
