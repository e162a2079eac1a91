-- Grain: job type, edition, key and kind of fault that only the values of a job tell.
-- Counts: the jobs whose type, state, name or times are not as the contract has them; those with a number that should be
-- whole, a list that should be one of texts, or a text that is not as its pattern says.
WITH envelope_faults AS (
    SELECT job_id, '' AS folder, 'type' AS key, 'unknown_type' AS kind
    FROM parsed
    WHERE type IS NOT NULL AND type NOT IN (SELECT job_type FROM contract_types)
    UNION ALL
    SELECT job_id, '', 'state', 'unknown_state'
    FROM parsed
    WHERE state IS NOT NULL AND state NOT IN (SELECT state FROM contract_states)
    UNION ALL
    SELECT p.job_id, '', 'name', 'pattern'
    FROM parsed AS p
    INNER JOIN contract_envelope AS e ON e.path = '$.name'
    WHERE p.name IS NOT NULL AND NOT matches_pattern(p.name, e.pattern)
    UNION ALL
    SELECT job_id, 'executionInfo', 'createdDateTime', 'implausible'
    FROM parsed
    WHERE plausible_creation(created_at, changed_at) IS NULL
),

-- A start or end as it is written, and as it is read.
written_times AS (
    SELECT job_id, 'startedDateTime' AS key, utc_time(started_text) AS moment, created_at, changed_at
    FROM parsed
    WHERE started_text IS NOT NULL
    UNION ALL
    SELECT job_id, 'endedDateTime', utc_time(ended_text), created_at, changed_at
    FROM parsed
    WHERE ended_text IS NOT NULL
),

time_faults AS (
    SELECT job_id, 'executionInfo', key, CASE WHEN moment IS NULL THEN 'pattern' ELSE 'implausible' END
    FROM written_times
    WHERE moment IS NULL OR plausible_time(moment, created_at, changed_at) IS NULL
),

doubtful_keys AS (
    SELECT shape, part, api_field, place, json_type, pattern
    FROM compared_keys
    WHERE list_contains(json_types, json_type)
        AND (is_whole OR json_type = 'ARRAY' OR (json_type = 'VARCHAR' AND pattern <> ''))
),

doubtful_parts AS (
    SELECT job_id, shape, texts_of(written) AS items
    FROM parts
    WHERE shape IN (SELECT shape FROM doubtful_keys)
),

doubtful_values AS (
    SELECT p.job_id, k.part, k.api_field, k.json_type, k.pattern, p.items[k.place] AS item
    FROM doubtful_parts AS p
    INNER JOIN doubtful_keys AS k ON k.shape = p.shape
),

field_faults AS (
    SELECT
        job_id,
        'specifications.' || part,
        api_field,
        CASE json_type WHEN 'VARCHAR' THEN 'pattern' ELSE 'wrong_type' END
    FROM doubtful_values
    WHERE CASE json_type
        WHEN 'VARCHAR' THEN NOT matches_pattern(item, pattern)
        WHEN 'ARRAY' THEN len(list_filter(json_type(item, '$[*]'), lambda x: x NOT IN ('VARCHAR', 'NULL'))) > 0
        ELSE whole_number(item) IS NULL
    END
),

faults AS (
    SELECT * FROM envelope_faults
    UNION ALL
    SELECT * FROM time_faults
    UNION ALL
    SELECT * FROM field_faults
)

SELECT
    j.type,
    j.edition,
    f.folder,
    f.key,
    f.kind,
    count(*) AS jobs,
    min(j.sort_key) AS first_key,
    max(j.sort_key) AS last_key
FROM faults AS f
INNER JOIN drift_jobs AS j ON j.job_id = f.job_id
GROUP BY ALL
