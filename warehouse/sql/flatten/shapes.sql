-- Grain: shape of a part of the specifications.
SELECT
    shape,
    any_value(type) AS type,
    any_value(part) AS part,
    any_value(keys) AS keys,
    any_value(items) AS items
FROM parts
GROUP BY shape
