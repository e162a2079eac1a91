-- Grain: row of contract_drift about an output whose companion is missing.
SELECT * FROM contract_drift WHERE kind = 'missing_companion' ORDER BY jobs DESC, type, path
