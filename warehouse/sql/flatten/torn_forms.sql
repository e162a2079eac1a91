-- Grain: form, or shape, in which a key stands twice.
SELECT form
FROM (SELECT form, unnest(keys) AS keys FROM forms)
WHERE len(keys) > len(list_distinct(keys))
UNION
SELECT shape
FROM shapes
WHERE len(keys) > len(list_distinct(keys))
