-- Grain: shape of a part of the specifications and the editions that a record may be of: for each column of the part, in
-- their order, which value of the part it takes; null for none.
SELECT s.shape, s.candidates, list(t.place ORDER BY c.ordinal) AS places
FROM (SELECT DISTINCT type, part, shape, candidates FROM typed_places) AS s
INNER JOIN (SELECT DISTINCT job_type, part, ordinal FROM contract_fields) AS c ON c.job_type = s.type AND c.part = s.part
LEFT JOIN typed_places AS t ON t.shape = s.shape AND t.candidates = s.candidates AND t.ordinal = c.ordinal
GROUP BY s.shape, s.candidates
