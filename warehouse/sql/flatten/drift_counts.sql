-- Grain: job type, JSON path, kind and edition, of the jobs that are flattened together.
-- Counts: the jobs whose newest version differs from the contract there. An anti-join of what was seen against
-- what is known. `first_key` and `last_key` are a job's time of creation (20 digits of microseconds) and its id.
-- Leaves out: the single fields of a type that is itself unknown; null values, which are no values; what
-- an edition lacks but another one has.
WITH identified AS (
    SELECT
        p.job_id,
        p.type,
        p.state,
        p.name,
        p.started_text,
        p.ended_text,
        j.edition,
        j.candidates,
        lpad(epoch_us(p.created_at)::VARCHAR, 20, '0') || p.job_id AS sort_key
    FROM parsed AS p
    INNER JOIN job_editions AS j ON j.job_id = p.job_id
),

-- Few distinct shapes stand for all records: their keys and the types of the values that every job has.
shapes AS (
    SELECT
        i.type,
        i.edition,
        json_keys(n.body, ['$', '$.executionInfo', '$.specifications']) AS keys,
        json_type(n.body, $envelope_paths) AS types,
        count(*) AS jobs,
        min(i.sort_key) AS first_key,
        max(i.sort_key) AS last_key
    FROM identified AS i
    INNER JOIN newest AS n ON n.job_id = i.job_id
    GROUP BY ALL
),

shape_keys AS (
    SELECT type, edition, jobs, first_key, last_key, '' AS folder, unnest(keys[1]) AS key FROM shapes
    UNION ALL
    SELECT type, edition, jobs, first_key, last_key, 'executionInfo', unnest(keys[2]) FROM shapes
    UNION ALL
    SELECT type, edition, jobs, first_key, last_key, 'specifications', unnest(keys[3]) FROM shapes
),

shape_types AS (
    SELECT
        type, edition, jobs, first_key, last_key,
        unnest($envelope_paths) AS path,
        unnest(types) AS json_type
    FROM shapes
),

envelope_faults AS (
    SELECT
        type, edition, jobs, first_key, last_key, folder, key, 'unknown_field' AS kind
    FROM shape_keys AS k
    ANTI JOIN contract_envelope AS e ON e.folder = k.folder AND e.key = k.key
    UNION ALL
    SELECT
        t.type, t.edition, t.jobs, t.first_key, t.last_key, e.folder, e.key,
        CASE WHEN coalesce(t.json_type, 'NULL') = 'NULL' THEN 'missing_required' ELSE 'wrong_type' END
    FROM shape_types AS t
    INNER JOIN contract_envelope AS e ON e.path = t.path
    WHERE CASE
        WHEN coalesce(t.json_type, 'NULL') = 'NULL' THEN e.required
        ELSE NOT list_contains(e.json_types, t.json_type)
    END
),

single_faults AS (
    SELECT i.*, '' AS folder, 'type' AS key, 'unknown_type' AS kind
    FROM identified AS i
    WHERE i.type IS NOT NULL AND i.type NOT IN (SELECT job_type FROM contract_types)
    UNION ALL
    SELECT i.*, '', 'state', 'unknown_state'
    FROM identified AS i
    WHERE i.state IS NOT NULL AND i.state NOT IN (SELECT state FROM contract_states)
    UNION ALL
    SELECT i.*, '', 'name', 'pattern'
    FROM identified AS i
    INNER JOIN contract_envelope AS e ON e.path = '$.name'
    WHERE i.name IS NOT NULL AND NOT matches_pattern(i.name, e.pattern)
    UNION ALL
    SELECT i.*, 'executionInfo', 'startedDateTime', 'pattern'
    FROM identified AS i
    WHERE i.started_text IS NOT NULL AND utc_time(i.started_text) IS NULL
    UNION ALL
    SELECT i.*, 'executionInfo', 'endedDateTime', 'pattern'
    FROM identified AS i
    WHERE i.ended_text IS NOT NULL AND utc_time(i.ended_text) IS NULL
),

known_fields AS (
    SELECT
        job_type, part, api_field,
        any_value(json_types) AS json_types,
        bool_or(is_whole) AS is_whole,
        any_value(pattern) AS pattern,
        any_value(needs) AS needs
    FROM contract_fields
    GROUP BY job_type, part, api_field
),

compared AS (
    SELECT e.*, f.api_field IS NULL AS unknown, f.json_types, f.is_whole, f.pattern, f.needs
    FROM entries AS e
    INNER JOIN contract_types AS t ON t.job_type = e.type
    LEFT JOIN known_fields AS f ON f.job_type = e.type AND f.part = e.part AND f.api_field = e.api_field
    WHERE f.api_field IS NULL OR NOT list_contains(f.json_types, e.json_type)
        OR f.is_whole OR f.pattern <> '' OR f.needs <> ''
),

entry_faults AS (
    SELECT job_id, part, api_field, 'unknown_field' AS kind FROM compared WHERE unknown
    UNION ALL
    SELECT job_id, part, api_field, 'wrong_type' FROM compared WHERE NOT unknown AND NOT list_contains(json_types, json_type)
    UNION ALL
    SELECT job_id, part, api_field, 'wrong_type'
    FROM compared
    WHERE is_whole AND list_contains(json_types, json_type) AND json_whole(value) IS NULL
    UNION ALL
    SELECT job_id, part, api_field, 'pattern'
    FROM compared
    WHERE json_type = 'VARCHAR' AND list_contains(json_types, 'VARCHAR') AND pattern <> ''
        AND NOT matches_pattern(value ->> '$', pattern)
    UNION ALL
    SELECT c.job_id, c.part, c.api_field, 'missing_companion'
    FROM (SELECT * FROM compared WHERE json_type IS NOT NULL AND needs <> '') AS c
    ANTI JOIN (SELECT * FROM entries WHERE json_type IS NOT NULL) AS o
        ON o.job_id = c.job_id AND o.part = c.part AND o.api_field = c.needs
    UNION ALL
    SELECT DISTINCT x.job_id, x.part, x.api_field, 'wrong_type'
    FROM elements AS x
    INNER JOIN known_fields AS f ON f.job_type = x.type AND f.part = x.part AND f.api_field = x.api_field
    WHERE list_contains(f.json_types, 'ARRAY') AND x.is_element AND x.json_type <> 'VARCHAR'
),

-- What every edition that the record may be of asks for, under whichever of its names.
required_fields AS (
    SELECT job_type, part, name, bit_or(mask) AS mask, arg_max(api_field, mask) AS api_field
    FROM contract_fields
    WHERE required
    GROUP BY job_type, part, name
),

missing_fields AS (
    SELECT i.job_id, r.part, r.api_field, 'missing_required' AS kind
    FROM identified AS i
    INNER JOIN required_fields AS r ON r.job_type = i.type AND r.mask & i.candidates = i.candidates
    ANTI JOIN named AS n ON n.job_id = i.job_id AND n.part = r.part AND n.name = r.name
    WHERE i.candidates <> 0
),

per_job AS (
    SELECT type, edition, job_id, sort_key, folder, key, kind FROM single_faults
    UNION ALL
    SELECT i.type, i.edition, i.job_id, i.sort_key, 'specifications.' || f.part, f.api_field, f.kind
    FROM (SELECT * FROM entry_faults UNION ALL SELECT * FROM missing_fields) AS f
    INNER JOIN identified AS i ON i.job_id = f.job_id
),

counted AS (
    SELECT type, folder, key, kind, edition, count(*) AS jobs, min(sort_key) AS first_key, max(sort_key) AS last_key
    FROM per_job
    GROUP BY ALL
    UNION ALL
    SELECT type, folder, key, kind, edition, sum(jobs)::BIGINT, min(first_key), max(last_key)
    FROM envelope_faults
    GROUP BY ALL
)

SELECT
    c.type,
    '$' || CASE c.folder WHEN '' THEN '' ELSE '.' || c.folder END || path_step(c.key) AS path,
    c.kind,
    c.edition,
    c.jobs,
    c.first_key,
    c.last_key,
    left(json_extract(n.body, pointer(c.folder, c.key))::VARCHAR, 200) AS example
FROM counted AS c
LEFT JOIN newest AS n ON n.job_id = substr(c.first_key, 21)
