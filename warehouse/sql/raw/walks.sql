-- Grain: walk of the month, its times on the API's clock.
SELECT w.* REPLACE (
    w.started_at + to_microseconds((m.shift_seconds * 1e6)::BIGINT) AS started_at,
    m.finished_at AS finished_at
)
FROM walks AS w
INNER JOIN mended_walks AS m ON m.walk_id = w.walk_id
