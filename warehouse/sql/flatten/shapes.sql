-- Grain: shape of a part of the specifications: its keys and the types of its values.
WITH sampled AS (
    SELECT shape, type, part, min(job_id) AS job_id
    FROM parts
    GROUP BY shape, type, part
),

items AS (
    SELECT p.shape, p.type, p.part, json_extract(s.body, '$.specifications.' || p.part) AS item
    FROM sampled AS p
    INNER JOIN samples AS s ON s.job_id = p.job_id
)

SELECT
    shape,
    type,
    part,
    json_keys(item) AS keys,
    json_type(item, '$.*') AS types
FROM items
