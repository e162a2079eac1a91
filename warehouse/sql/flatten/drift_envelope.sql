-- Grain: job type, edition, form of the record, and key outside the parts of its specifications that differs from the contract.
-- Counts: the jobs with that form. Few forms stand for all records, so the contract is asked once for each of them.
-- Leaves out: what only the values tell (drift_values).
WITH counted_forms AS (
    SELECT
        type,
        edition,
        form,
        count(*) AS jobs,
        min(sort_key) AS first_key,
        max(sort_key) AS last_key
    FROM drift_jobs
    GROUP BY type, edition, form
),

record_forms AS (
    SELECT c.*, f.keys, f.types
    FROM counted_forms AS c
    INNER JOIN forms AS f ON f.form = c.form
),

form_keys AS (
    SELECT r.*, '' AS folder, unnest(keys[1]) AS key FROM record_forms AS r
    UNION ALL
    SELECT r.*, 'executionInfo', unnest(keys[2]) FROM record_forms AS r
    UNION ALL
    SELECT r.*, 'specifications', unnest(keys[3]) FROM record_forms AS r
),

form_types AS (
    SELECT r.*, unnest(envelope_paths()) AS path, coalesce(unnest(types), 'NULL') AS json_type
    FROM record_forms AS r
)

SELECT k.type, k.edition, k.folder, k.key, 'unknown_field' AS kind, k.jobs, k.first_key, k.last_key
FROM form_keys AS k
ANTI JOIN contract_envelope AS e ON e.folder = k.folder AND e.key = k.key
UNION ALL
SELECT t.type, t.edition, e.folder, e.key, 'missing_required', t.jobs, t.first_key, t.last_key
FROM form_types AS t
INNER JOIN contract_envelope AS e ON e.path = t.path
WHERE t.json_type = 'NULL' AND e.required
UNION ALL
SELECT t.type, t.edition, e.folder, e.key, 'wrong_type', t.jobs, t.first_key, t.last_key
FROM form_types AS t
INNER JOIN contract_envelope AS e ON e.path = t.path
WHERE t.json_type <> 'NULL' AND NOT list_contains(e.json_types, t.json_type)
