-- Grain: the ledger; one row.
-- Counts: `complete_at` is the end of the newest complete walk, `first_at` the start of the first walk; null without.
SELECT
    max(finished_at) FILTER (WHERE complete) AS complete_at,
    min(started_at) AS first_at
FROM walks
