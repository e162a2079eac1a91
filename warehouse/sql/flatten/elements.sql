-- Grain: value of an input, output or option: an element of a list, or the value itself where it is no list.
-- Leaves out: null elements (they keep their place in the ordinals) and empty lists. Deeper values stay JSON text.
WITH items AS (
    SELECT
        p.job_id,
        p.type,
        n.part,
        n.api_field,
        n.name,
        n.holds,
        n.json_type,
        p.items[n.place] AS item
    FROM parts AS p
    INNER JOIN job_editions AS j ON j.job_id = p.job_id
    INNER JOIN named AS n ON n.shape = p.shape AND n.candidates = j.candidates
),

apart AS (
    SELECT *, 1 AS ordinal
    FROM items
    WHERE json_type <> 'ARRAY'
    UNION ALL BY NAME
    SELECT * EXCLUDE (item), nullif(json_type(item), 'NULL') AS json_type, item
    FROM (
        SELECT
            * EXCLUDE (item, json_type),
            unnest(json_extract(item, '$[*]')) AS item,
            generate_subscripts(json_extract(item, '$[*]'), 1) AS ordinal
        FROM items
        WHERE json_type = 'ARRAY'
    )
)

SELECT
    * EXCLUDE (item),
    plain_text(item, json_type) AS text
FROM apart
WHERE json_type IS NOT NULL
