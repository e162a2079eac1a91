-- Grain: walk of the month, its times on the API's clock.
SELECT
    w.* EXCLUDE (started_at, finished_at),
    w.started_at + to_microseconds(CAST(round(m.shift_seconds * 1e6) AS BIGINT)) AS started_at,
    m.finished_at
FROM walks AS w
INNER JOIN mended_walks AS m ON m.walk_id = w.walk_id
