-- Grain: reason.
SELECT reason, count(*) AS records, max(observed_at) AS last_seen
FROM rejected_records
GROUP BY reason
ORDER BY records DESC
