-- Grain: key of a shape, with its place among the keys. A key whose value is null has json_type null.
SELECT
    shape,
    type,
    part,
    unnest(keys) AS api_field,
    generate_subscripts(keys, 1) AS place,
    nullif(unnest(types), 'NULL') AS json_type
FROM shapes
