-- Grain: value of an input or output of a job in its newest version.
-- The kind shows in the value before it shows in the field: a bucket path begins with 'bkt:', and what the contract calls a
-- detector is one, as an id or as a name with an optional version. A scope ('@bentley/') belongs to the name.
WITH kinds AS (
    SELECT
        *,
        CASE
            WHEN text LIKE 'bkt:%' THEN 'bucket_path'
            WHEN json_type <> 'VARCHAR' THEN NULL
            WHEN holds = 'detector' THEN 'detector'
            WHEN regexp_full_match(text, '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}') THEN 'reality_data'
            WHEN contains(name, 'detector') THEN 'detector'
        END AS kind
    FROM elements
    WHERE part IN ('inputs', 'outputs')
)

SELECT
    job_id,
    type,
    CASE part WHEN 'inputs' THEN 'input' ELSE 'output' END AS direction,
    name AS role,
    api_field,
    ordinal,
    spelled(text) AS reference,
    kind,
    CASE WHEN kind = 'detector' THEN regexp_extract(spelled(text), '(?s)^(@[^/]*/[^/]*|[^/]*)', 1) END AS detector_name,
    CASE
        WHEN kind = 'detector' THEN nullif(regexp_extract(text, '(?s)^(?:@[^/]*/[^/]*|[^@/][^/]*)/(.+)$', 1), '')
    END AS detector_version
FROM kinds
