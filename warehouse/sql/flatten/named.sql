-- Grain: key of a shape that has a value, for the editions that a record may be of, under its canonical name.
-- A key with several meanings (its rows in the contract are rivals) takes the one that the record's editions single out;
-- a key that the contract does not know, or whose meaning the record leaves open, keeps its own name in snake case.
WITH forms AS (
    SELECT DISTINCT p.shape, j.candidates
    FROM parts AS p
    INNER JOIN job_editions AS j ON j.job_id = p.job_id
)

SELECT
    e.shape,
    o.candidates,
    e.type,
    e.part,
    e.place,
    e.api_field,
    coalesce(f.name, s.name) AS name,
    f.holds,
    e.json_type
FROM entries AS e
INNER JOIN forms AS o ON o.shape = e.shape
INNER JOIN snake_names AS s ON s.api_field = e.api_field
LEFT JOIN contract_fields AS f
    ON f.job_type = e.type AND f.part = e.part AND f.api_field = e.api_field
    AND (f.rivals = 0 OR (f.mask & o.candidates <> 0 AND f.rivals & o.candidates = 0))
WHERE e.json_type IS NOT NULL
