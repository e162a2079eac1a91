-- Grain: key of a job's inputs, outputs or options that has a value, under its canonical name.
-- A key with several meanings (its rows in the contract are rivals) takes the one that the record's editions single out;
-- a key that the contract does not know, or whose meaning the record leaves open, keeps its own name in snake case.
SELECT
    e.job_id,
    e.type,
    e.part,
    e.api_field,
    coalesce(f.name, s.name) AS name,
    f.holds,
    e.json_type,
    e.value
FROM entries AS e
INNER JOIN job_editions AS j ON j.job_id = e.job_id
INNER JOIN snake_names AS s ON s.api_field = e.api_field
LEFT JOIN contract_fields AS f
    ON f.job_type = e.type AND f.part = e.part AND f.api_field = e.api_field
    AND (f.rivals = 0 OR (f.mask & j.candidates <> 0 AND f.rivals & j.candidates = 0))
WHERE e.json_type IS NOT NULL
