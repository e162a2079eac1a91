-- Grain: shape of a part of the specifications: its keys and the types of its values, read from any job that has it.
WITH sampled AS (
    SELECT shape, type, part, any_value(written) AS written
    FROM parts
    GROUP BY shape, type, part
)

SELECT
    shape,
    type,
    part,
    json_keys(written) AS keys,
    json_type(written, '$.*') AS types
FROM sampled
