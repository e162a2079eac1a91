-- Grain: column of a typed table, for a shape and the editions that a record may be of: which value of the part it takes.
-- A key with several meanings fills the column of the one that the record's editions single out. Where several keys of a
-- record mean the same, the newest edition's counts.
SELECT n.type, n.part, n.shape, n.candidates, f.ordinal, n.place
FROM named AS n
INNER JOIN contract_fields AS f
    ON f.job_type = n.type AND f.part = n.part AND f.api_field = n.api_field
    AND (f.other_meanings = 0 OR (f.mask & n.candidates <> 0 AND f.other_meanings & n.candidates = 0))
WHERE list_contains(f.column_types, n.json_type)
QUALIFY row_number() OVER (PARTITION BY n.shape, n.candidates, f.name ORDER BY f.age, n.place) = 1
