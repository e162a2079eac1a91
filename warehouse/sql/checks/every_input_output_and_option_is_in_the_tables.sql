-- Grain: job whose values in the JSON are more or fewer than its rows in job_references and job_options.
-- Counted from the JSON alone, without the shapes and names that the tables are made by: each value, each element of a list, null nowhere.
-- Leaves out: jobs in which a key stands twice (the last one counts), since a wildcard meets both.
WITH newest AS (
    SELECT o.job_id, o.body
    FROM observations AS o
    INNER JOIN (
        SELECT job_id, max(observed_at) AS observed_at FROM observations WHERE http_status = 200 GROUP BY job_id
    ) AS l ON l.job_id = o.job_id AND l.observed_at = o.observed_at
),

parts AS (
    SELECT
        job_id,
        json_extract(body, ['$.specifications.inputs', '$.specifications.outputs', '$.specifications.options']) AS parts
    FROM newest
),

items AS (
    SELECT
        job_id,
        flatten([json_extract(part, '$.*') for part in parts if json_type(part) = 'OBJECT']) AS items,
        flatten([json_keys(part) for part in parts if json_type(part) = 'OBJECT']) AS keys,
        [len(json_keys(part)) - len(list_distinct(json_keys(part))) for part in parts if json_type(part) = 'OBJECT']
            AS repeated
    FROM parts
),

in_json AS (
    SELECT
        job_id,
        coalesce(list_sum([
            CASE json_type(item)
                WHEN 'NULL' THEN 0
                WHEN 'ARRAY' THEN len([x for x in json_extract(item, '$[*]') if json_type(x) <> 'NULL'])
                ELSE 1
            END
            for item in items
        ]), 0)::BIGINT AS in_json
    FROM items
    WHERE coalesce(list_sum(repeated), 0) = 0
),

in_tables AS (
    SELECT job_id, count(*) AS in_tables
    FROM (SELECT job_id FROM job_references UNION ALL SELECT job_id FROM job_options)
    GROUP BY job_id
)

SELECT j.job_id, j.in_json, coalesce(t.in_tables, 0) AS in_tables
FROM in_json AS j
LEFT JOIN in_tables AS t ON t.job_id = j.job_id
WHERE j.in_json <> coalesce(t.in_tables, 0)
ORDER BY j.job_id
