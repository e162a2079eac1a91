-- Grain: value of an input, output or option: an element of a list, or the value itself where it is no list.
-- Leaves out: null elements (they keep their place in the ordinals) and empty lists. Deeper values stay JSON text.
WITH apart AS (
    SELECT * EXCLUDE (value, json_type), 1 AS ordinal, false AS is_element, value, json_type
    FROM named
    WHERE json_type <> 'ARRAY'
    UNION ALL BY NAME
    SELECT * EXCLUDE (value), true AS is_element, nullif(json_type(value), 'NULL') AS json_type, value
    FROM (
        SELECT
            * EXCLUDE (value, json_type),
            unnest(from_json(value, '["JSON"]')) AS value,
            generate_subscripts(from_json(value, '["JSON"]'), 1) AS ordinal
        FROM named
        WHERE json_type = 'ARRAY'
    )
)

SELECT
    * EXCLUDE (value),
    CASE WHEN json_type = 'VARCHAR' THEN value ->> '$' ELSE value::VARCHAR END AS text
FROM apart
WHERE json_type IS NOT NULL
