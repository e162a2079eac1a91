-- Grain: value of an input, output or option: an element of a list, or the value itself where it is no list.
-- Asked for some parts alone, the others' texts are not read.
-- Leaves out: null elements (they keep their place in the ordinals) and empty lists. Deeper values stay JSON text.
SELECT
    p.job_id,
    p.type,
    p.part,
    n.api_field,
    n.name,
    n.holds,
    n.json_type,
    1 AS ordinal,
    p.items[n.place] AS text
FROM (
    SELECT o.job_id, o.type, o.part, o.shape, j.candidates, texts_of(o.written) AS items
    FROM parts AS o
    INNER JOIN job_editions AS j ON j.job_id = o.job_id
) AS p
INNER JOIN named AS n ON n.shape = p.shape AND n.candidates = p.candidates
WHERE n.json_type <> 'ARRAY'
UNION ALL
SELECT *
FROM (
    SELECT
        p.job_id,
        p.type,
        p.part,
        n.api_field,
        n.name,
        n.holds,
        unnest(json_type(p.items[n.place], '$[*]')) AS json_type,
        generate_subscripts(json_type(p.items[n.place], '$[*]'), 1) AS ordinal,
        unnest(json_extract_string(p.items[n.place], '$[*]')) AS text
    FROM (
        SELECT job_id, type, part, shape, texts_of(written) AS items
        FROM parts
        WHERE shape IN (SELECT shape FROM named WHERE json_type = 'ARRAY')
    ) AS p
    INNER JOIN job_editions AS j ON j.job_id = p.job_id
    INNER JOIN named AS n ON n.shape = p.shape AND n.candidates = j.candidates
    WHERE n.json_type = 'ARRAY'
)
WHERE json_type <> 'NULL'
