-- Grain: error or warning that the API told of a failed job. The parameters stand in `message` for %1, %2 ...
WITH answers AS (
    SELECT
        job_id,
        json_transform(body, '{"messages": {
            "errors": [{"code": "VARCHAR", "title": "VARCHAR", "message": "VARCHAR", "params": ["VARCHAR"]}],
            "warnings": [{"code": "VARCHAR", "title": "VARCHAR", "message": "VARCHAR", "params": ["VARCHAR"]}]
        }}').messages AS messages
    FROM message_observations
    WHERE body IS NOT NULL AND job_id IN (SELECT job_id FROM newest)
    QUALIFY row_number() OVER (PARTITION BY job_id ORDER BY observed_at DESC) = 1
),

apart AS (
    SELECT job_id, 'error' AS severity, unnest(messages.errors) AS told,
        generate_subscripts(messages.errors, 1) AS ordinal
    FROM answers
    UNION ALL
    SELECT job_id, 'warning', unnest(messages.warnings), generate_subscripts(messages.warnings, 1)
    FROM answers
)

SELECT
    job_id,
    severity,
    ordinal,
    told.code,
    told.title,
    told.message AS message_template,
    told.params AS params
FROM apart
