-- Grain: row of contract_drift about a text that does not follow its pattern.
SELECT * FROM contract_drift WHERE kind = 'pattern' ORDER BY jobs DESC, type, path
