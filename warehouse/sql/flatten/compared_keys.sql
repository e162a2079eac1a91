-- Grain: key of a shape of a known type, beside what the contract says of it in any edition; `unknown` where that is
-- nothing.
WITH known_keys AS (
    SELECT
        job_type, part, api_field,
        any_value(json_types) AS json_types,
        bool_or(is_whole) AS is_whole,
        any_value(pattern) AS pattern,
        any_value(needs) AS needs
    FROM contract_fields
    GROUP BY job_type, part, api_field
)

SELECT e.*, f.api_field IS NULL AS unknown, f.json_types, f.is_whole, f.pattern, f.needs
FROM entries AS e
INNER JOIN contract_types AS t ON t.job_type = e.type
LEFT JOIN known_keys AS f ON f.job_type = e.type AND f.part = e.part AND f.api_field = e.api_field
