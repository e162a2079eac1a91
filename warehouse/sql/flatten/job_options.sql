-- Grain: option value of a job in its newest version. A number that the API sent as text is text.
SELECT
    job_id,
    type,
    name AS option,
    api_field,
    ordinal,
    text AS value,
    CASE WHEN json_type IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN finite_number(text) END AS number,
    CASE WHEN json_type = 'BOOLEAN' THEN text = 'true' END AS boolean
FROM elements
WHERE part = 'options'
