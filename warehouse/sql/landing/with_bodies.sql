-- Grain: row of $rows, with the body of the record that it was made of.
SELECT r.* EXCLUDE (file, line), s.body
FROM $rows AS r
INNER JOIN shown AS s ON s.file = r.file AND s.line = r.line
