-- Grain: row of contract_drift of a kind that only a newer contract can mend.
SELECT *
FROM contract_drift
WHERE kind IN ('unknown_type', 'unknown_state', 'unknown_field', 'wrong_type', 'missing_required')
ORDER BY jobs DESC, type, path
