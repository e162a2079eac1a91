-- Grain: job type, JSON path, kind and edition.
-- Counts: the jobs whose newest version differs from the contract there. An anti-join of what was seen against
-- what is known. The first and the last job are those by time of creation, then id; `example` is the first one's value.
-- Leaves out: the single fields of a type that is itself unknown; null values, which are no values; what
-- an edition lacks but another one has.
WITH identified AS (
    SELECT
        p.job_id,
        p.type,
        p.state,
        p.name,
        p.created_at,
        p.changed_at,
        p.started_text,
        p.ended_text,
        p.form,
        j.edition,
        j.candidates,
        lpad(epoch_us(p.created_at)::VARCHAR, 20, '0') || p.job_id AS sort_key
    FROM parsed AS p
    INNER JOIN job_editions AS j ON j.job_id = p.job_id
),

-- Few distinct forms stand for all records: their keys and the types of the values that every job has.
counted_forms AS (
    SELECT
        type,
        edition,
        form,
        count(*) AS jobs,
        min(sort_key) AS first_key,
        max(sort_key) AS last_key
    FROM identified
    GROUP BY type, edition, form
),

record_forms AS (
    SELECT c.*, f.keys, f.types
    FROM counted_forms AS c
    INNER JOIN forms AS f ON f.form = c.form
),

form_keys AS (
    SELECT type, edition, jobs, first_key, last_key, '' AS folder, unnest(keys[1]) AS key FROM record_forms
    UNION ALL
    SELECT type, edition, jobs, first_key, last_key, 'executionInfo', unnest(keys[2]) FROM record_forms
    UNION ALL
    SELECT type, edition, jobs, first_key, last_key, 'specifications', unnest(keys[3]) FROM record_forms
),

form_types AS (
    SELECT
        type, edition, jobs, first_key, last_key,
        unnest(envelope_paths()) AS path,
        unnest(types) AS json_type
    FROM record_forms
),

envelope_faults AS (
    SELECT
        type, edition, jobs, first_key, last_key, folder, key, 'unknown_field' AS kind
    FROM form_keys AS k
    ANTI JOIN contract_envelope AS e ON e.folder = k.folder AND e.key = k.key
    UNION ALL
    SELECT
        t.type, t.edition, t.jobs, t.first_key, t.last_key, e.folder, e.key,
        CASE WHEN coalesce(t.json_type, 'NULL') = 'NULL' THEN 'missing_required' ELSE 'wrong_type' END
    FROM form_types AS t
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
    UNION ALL
    SELECT i.*, 'executionInfo', 'createdDateTime', 'implausible'
    FROM identified AS i
    WHERE plausible_creation(i.created_at, i.changed_at) IS NULL
    UNION ALL
    SELECT i.*, 'executionInfo', 'startedDateTime', 'implausible'
    FROM identified AS i
    WHERE utc_time(i.started_text) IS NOT NULL
        AND plausible_time(utc_time(i.started_text), i.created_at, i.changed_at) IS NULL
    UNION ALL
    SELECT i.*, 'executionInfo', 'endedDateTime', 'implausible'
    FROM identified AS i
    WHERE utc_time(i.ended_text) IS NOT NULL
        AND plausible_time(utc_time(i.ended_text), i.created_at, i.changed_at) IS NULL
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
),

-- The jobs of each shape, apart by the editions that they may be of.
part_forms AS (
    SELECT
        p.shape,
        p.part,
        i.type,
        i.edition,
        i.candidates,
        count(*) AS jobs,
        min(i.sort_key) AS first_key,
        max(i.sort_key) AS last_key
    FROM parts AS p
    INNER JOIN identified AS i ON i.job_id = p.job_id
    GROUP BY ALL
),

shape_faults AS (
    SELECT shape, api_field, 'unknown_field' AS kind FROM compared WHERE unknown
    UNION ALL
    SELECT shape, api_field, 'wrong_type' FROM compared WHERE NOT unknown AND NOT list_contains(json_types, json_type)
    UNION ALL
    SELECT c.shape, c.api_field, 'missing_companion'
    FROM (SELECT * FROM compared WHERE json_type IS NOT NULL AND needs <> '') AS c
    ANTI JOIN (SELECT * FROM entries WHERE json_type IS NOT NULL) AS o ON o.shape = c.shape AND o.api_field = c.needs
),

-- What every edition that the record may be of asks for, under whichever of its names.
required_fields AS (
    SELECT job_type, part, name, bit_or(mask) AS mask, arg_max(api_field, mask) AS api_field
    FROM contract_fields
    WHERE required
    GROUP BY job_type, part, name
),

form_faults AS (
    SELECT f.*, s.api_field, s.kind
    FROM part_forms AS f
    INNER JOIN shape_faults AS s ON s.shape = f.shape
    UNION ALL
    SELECT f.*, r.api_field, 'missing_required'
    FROM part_forms AS f
    INNER JOIN required_fields AS r
        ON r.job_type = f.type AND r.part = f.part AND r.mask & f.candidates = f.candidates
    ANTI JOIN named AS n ON n.shape = f.shape AND n.candidates = f.candidates AND n.name = r.name
    WHERE f.candidates <> 0
),

-- What only the values themselves can tell: whether a number is whole, a list one of texts, a text as its pattern says.
doubtful AS (
    SELECT shape, part, api_field, place, json_type, pattern
    FROM compared
    WHERE list_contains(json_types, json_type)
        AND (is_whole OR json_type = 'ARRAY' OR (json_type = 'VARCHAR' AND pattern <> ''))
),

doubtful_values AS (
    SELECT p.job_id, d.* EXCLUDE (shape, place), p.items[d.place] AS item
    FROM (
        SELECT job_id, shape, texts_of(written) AS items
        FROM parts
        WHERE shape IN (SELECT shape FROM doubtful)
    ) AS p
    INNER JOIN doubtful AS d ON d.shape = p.shape
),

value_faults AS (
    SELECT job_id, part, api_field, CASE json_type WHEN 'VARCHAR' THEN 'pattern' ELSE 'wrong_type' END AS kind
    FROM doubtful_values
    WHERE CASE json_type
        WHEN 'VARCHAR' THEN NOT matches_pattern(item, pattern)
        WHEN 'ARRAY' THEN len(list_filter(json_type(item, '$[*]'), lambda x: x NOT IN ('VARCHAR', 'NULL'))) > 0
        ELSE whole_number(item) IS NULL
    END
),

per_job AS (
    SELECT type, edition, sort_key, folder, key, kind FROM single_faults
    UNION ALL
    SELECT i.type, i.edition, i.sort_key, 'specifications.' || f.part, f.api_field, f.kind
    FROM value_faults AS f
    INNER JOIN identified AS i ON i.job_id = f.job_id
),

counted AS (
    SELECT type, folder, key, kind, edition, 1 AS jobs, sort_key AS first_key, sort_key AS last_key
    FROM per_job
    UNION ALL
    SELECT type, 'specifications.' || part, api_field, kind, edition, jobs, first_key, last_key
    FROM form_faults
    UNION ALL
    SELECT type, folder, key, kind, edition, jobs, first_key, last_key
    FROM envelope_faults
),

summed AS (
    SELECT
        type,
        folder,
        key,
        kind,
        edition,
        sum(jobs)::BIGINT AS jobs,
        substr(min(first_key), 21) AS first_job_id,
        substr(max(last_key), 21) AS last_job_id
    FROM counted
    GROUP BY type, folder, key, kind, edition
)

SELECT
    c.type,
    '$' || CASE c.folder WHEN '' THEN '' ELSE '.' || c.folder END || path_step(c.key) AS path,
    c.kind,
    c.edition,
    c.jobs,
    c.first_job_id,
    c.last_job_id,
    left(json_extract(b.body, pointer(c.folder, c.key))::VARCHAR, 200) AS example
FROM summed AS c
LEFT JOIN (
    SELECT job_id, body FROM bodies WHERE job_id IN (SELECT first_job_id FROM summed)
) AS b ON b.job_id = c.first_job_id
