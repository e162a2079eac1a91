-- Grain: rejected record.
SELECT reason, walked_itwin_id, observed_at, left(body, 120) AS body
FROM rejected_records
ORDER BY observed_at DESC, body_hash
