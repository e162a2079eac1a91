-- Grain: key of a job's inputs, outputs or options. A key whose value is null has json_type null.
WITH pairs AS (
    SELECT job_id, type, 'inputs' AS part, unnest(map_entries(inputs)) AS pair FROM parsed
    UNION ALL
    SELECT job_id, type, 'outputs', unnest(map_entries(outputs)) FROM parsed
    UNION ALL
    SELECT job_id, type, 'options', unnest(map_entries(options)) FROM parsed
)
SELECT
    job_id,
    type,
    part,
    pair.key AS api_field,
    pair.value AS value,
    nullif(json_type(pair.value), 'NULL') AS json_type
FROM pairs
