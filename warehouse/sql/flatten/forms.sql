-- Grain: form of a record but for the parts of its specifications.
SELECT
    form,
    any_value(keys) AS keys,
    any_value(types) AS types
FROM parsed
GROUP BY form
