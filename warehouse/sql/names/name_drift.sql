-- Grain: kind of name, JSON path and kind of difference, over the newest bodies.
-- Of people no example is given: personal data stand in `users` alone.
WITH bodies AS (
    SELECT kind, id, body FROM newest_names
    UNION ALL
    SELECT kind, id, body FROM detector_bodies
),

folders AS (
    SELECT DISTINCT kind, regexp_extract(path, '^(.*)\.[^.]+$', 1) AS folder FROM name_fields
),

keys AS (
    SELECT
        b.kind,
        b.id,
        b.body,
        f.folder,
        unnest(json_keys(b.body, CASE f.folder WHEN '' THEN '$' ELSE '$.' || f.folder END)) AS key
    FROM bodies AS b
    INNER JOIN folders AS f ON f.kind = b.kind
),

unknown_fields AS (
    SELECT
        k.kind,
        k.id,
        '$' || CASE k.folder WHEN '' THEN '' ELSE '.' || k.folder END || path_step(k.key) AS path,
        'unknown_field' AS difference,
        json_extract_string(k.body, pointer(k.folder, k.key)) AS example
    FROM keys AS k
    LEFT JOIN name_fields AS f ON f.kind = k.kind AND f.path = CASE k.folder WHEN '' THEN '' ELSE k.folder || '.' END || k.key
    WHERE f.path IS NULL
),

values_of_fields AS (
    SELECT b.kind, b.id, f.path, f.required, f.json_types, json_type(b.body, f.json_path) AS found, b.body, f.json_path
    FROM bodies AS b
    INNER JOIN name_fields AS f ON f.kind = b.kind
),

wrong_values AS (
    SELECT
        kind,
        id,
        json_path AS path,
        CASE WHEN coalesce(found, 'NULL') = 'NULL' THEN 'missing_required' ELSE 'wrong_type' END AS difference,
        json_extract_string(body, json_path) AS example
    FROM values_of_fields
    WHERE CASE WHEN coalesce(found, 'NULL') = 'NULL' THEN required ELSE NOT list_contains(json_types, found) END
),

differences AS (
    SELECT * FROM unknown_fields
    UNION ALL
    SELECT * FROM wrong_values
),

of_kinds AS (
    SELECT
        CASE kind WHEN 'detector_version' THEN 'detector' ELSE kind END AS type,
        CASE kind WHEN 'detector_version' THEN replace(path, '$', '$.versions[*]') ELSE path END AS path,
        difference AS kind,
        id,
        CASE WHEN kind <> 'user' THEN left(example, 200) END AS example
    FROM differences
)

SELECT
    type,
    path,
    kind,
    NULL AS edition,
    count(DISTINCT id) AS jobs,
    min(id) AS first_job_id,
    max(id) AS last_job_id,
    arg_min(example, id) AS example
FROM of_kinds
GROUP BY type, path, kind
