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

read AS (
    SELECT
        job_id,
        body,
        json_keys(
            body,
            ['$.specifications', '$.specifications.inputs', '$.specifications.outputs', '$.specifications.options']
        ) AS keys
    FROM newest
),

typed AS (
    SELECT
        job_id,
        body,
        keys,
        CASE
            WHEN len(list_filter(keys[1], lambda key: key NOT IN ('inputs', 'outputs', 'options'))) > 0
                THEN list_concat(
                    json_type(body, '$.specifications.inputs.*'),
                    json_type(body, '$.specifications.outputs.*'),
                    json_type(body, '$.specifications.options.*')
                )
            ELSE json_type(body, '$.specifications.*.*')
        END AS types
    FROM read
),

in_json AS (
    SELECT
        job_id,
        keys,
        coalesce(len(list_filter(types, lambda type: type NOT IN ('NULL', 'ARRAY'))), 0)
        + CASE
            WHEN list_contains(types, 'ARRAY')
                THEN list_sum([
                    len(list_filter(json_type(item, '$[*]'), lambda type: type <> 'NULL'))
                    for item in flatten([
                        json_extract(body, '$.specifications.inputs.*'),
                        json_extract(body, '$.specifications.outputs.*'),
                        json_extract(body, '$.specifications.options.*')
                    ])
                    if json_type(item) = 'ARRAY'
                ])
            ELSE 0
        END AS in_json
    FROM typed
),

in_tables AS (
    SELECT job_id, count(*) AS in_tables
    FROM (SELECT job_id FROM job_references UNION ALL SELECT job_id FROM job_options)
    GROUP BY job_id
)

SELECT j.job_id, j.in_json::BIGINT AS in_json, coalesce(t.in_tables, 0) AS in_tables
FROM in_json AS j
LEFT JOIN in_tables AS t ON t.job_id = j.job_id
WHERE CASE
    WHEN j.in_json <> coalesce(t.in_tables, 0)
        THEN len(list_filter(j.keys, lambda of_part: len(of_part) > len(list_distinct(of_part)))) = 0
    ELSE false
END
ORDER BY j.job_id
