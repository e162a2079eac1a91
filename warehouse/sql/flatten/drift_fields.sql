-- Grain: job type, edition, shape of a part of the specifications, and key in it that differs from the contract.
-- Counts: the jobs with that shape.
-- Leaves out: what only the values tell (drift_values), and the fields of a type that is itself unknown.
WITH counted_shapes AS (
    SELECT
        p.shape,
        p.part,
        j.type,
        j.edition,
        j.candidates,
        count(*) AS jobs,
        min(j.sort_key) AS first_key,
        max(j.sort_key) AS last_key
    FROM parts AS p
    INNER JOIN drift_jobs AS j ON j.job_id = p.job_id
    GROUP BY ALL
),

entries_with_value AS (
    SELECT shape, api_field FROM entries WHERE json_type IS NOT NULL
),

shape_faults AS (
    SELECT shape, api_field, 'unknown_field' AS kind
    FROM compared_keys
    WHERE unknown
    UNION ALL
    SELECT shape, api_field, 'wrong_type'
    FROM compared_keys
    WHERE NOT unknown AND NOT list_contains(json_types, json_type)
    UNION ALL
    SELECT k.shape, k.api_field, 'missing_companion'
    FROM compared_keys AS k
    ANTI JOIN entries_with_value AS companion ON companion.shape = k.shape AND companion.api_field = k.needs
    WHERE k.json_type IS NOT NULL AND k.needs <> ''
),

-- What every edition that the record may be of asks for, under whichever of its names.
required_fields AS (
    SELECT job_type, part, name, bit_or(mask) AS mask, arg_max(api_field, mask) AS api_field
    FROM contract_fields
    WHERE required
    GROUP BY job_type, part, name
),

field_faults AS (
    SELECT s.*, f.api_field, f.kind
    FROM counted_shapes AS s
    INNER JOIN shape_faults AS f ON f.shape = s.shape
    UNION ALL
    SELECT s.*, r.api_field, 'missing_required'
    FROM counted_shapes AS s
    INNER JOIN required_fields AS r
        ON r.job_type = s.type AND r.part = s.part AND r.mask & s.candidates = s.candidates
    ANTI JOIN named AS n ON n.shape = s.shape AND n.candidates = s.candidates AND n.name = r.name
    WHERE s.candidates <> 0
)

SELECT type, edition, 'specifications.' || part AS folder, api_field AS key, kind, jobs, first_key, last_key
FROM field_faults
