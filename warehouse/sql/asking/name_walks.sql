-- Grain: kind, and iTwin of reality data, that was asked for before. `asked_at`: the newest asking that was answered, with a
-- refusal too, and need not be repeated the same day; `complete_at`, `whole_at`: the newest that is complete, that was of all.
SELECT
    kind,
    itwin_id,
    max(started_at) FILTER (
        WHERE complete OR (http_status BETWEEN 400 AND 499 AND http_status NOT IN (401, 407, 408, 425, 429))
    ) AS asked_at,
    max(started_at) FILTER (WHERE complete) AS complete_at,
    max(started_at) FILTER (WHERE complete AND modified_since IS NULL) AS whole_at
FROM name_walks
GROUP BY kind, itwin_id
