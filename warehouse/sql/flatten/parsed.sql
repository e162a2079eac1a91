-- Grain: job of the month (a row of `newest`), its JSON read once.
-- Lenient: a value of the wrong shape becomes null and the rest of the record stands. API names stay data: `inputs`,
-- `outputs` and `options` are the values (JSON text) at the keys in `input_keys`, `output_keys` and `option_keys`, in the
-- order of the record. A shape stands for the type, a part, its keys and the types of its values: what the contract says of
-- it holds for every job with the same one, so it is asked once for each shape and not for each job. A `form` is the same
-- for the rest of the record, whose keys and types are in `keys` and `types`.
-- A record in which a key stands twice is read from its row in `mended`.
WITH bodies AS (
    SELECT
        o.job_id,
        o.itwin_id,
        o.created_at,
        n.first_observed_at,
        n.changed_at,
        n.versions,
        n.vanished_at,
        coalesce(m.body, o.body) AS body
    FROM observations AS o
    INNER JOIN newest AS n ON n.job_id = o.job_id AND n.changed_at = o.observed_at
    LEFT JOIN mended AS m ON m.job_id = o.job_id
),

read AS (
    SELECT
        * EXCLUDE (body),
        json_transform(body, '{
            "userId": "VARCHAR",
            "name": "VARCHAR",
            "type": "VARCHAR",
            "state": "VARCHAR",
            "executionInfo": {
                "createdDateTime": "VARCHAR",
                "startedDateTime": "VARCHAR",
                "endedDateTime": "VARCHAR",
                "estimatedUnits": "JSON",
                "processingUnits": "JSON"
            },
            "specifications": {"inputs": "JSON", "outputs": "JSON", "options": "JSON"}
        }') AS record,
        json_keys(body, ['$', '$.executionInfo', '$.specifications']) AS keys,
        json_type(body, $envelope_paths) AS types
    FROM bodies
)

SELECT
    * EXCLUDE (record),
    record.userId AS user_id,
    record.name,
    record.type,
    record.state,
    record.executionInfo.createdDateTime AS created_text,
    record.executionInfo.startedDateTime AS started_text,
    record.executionInfo.endedDateTime AS ended_text,
    record.executionInfo.estimatedUnits AS estimated_units,
    record.executionInfo.processingUnits AS processing_units,
    json_keys(record.specifications.inputs) AS input_keys,
    json_keys(record.specifications.outputs) AS output_keys,
    json_keys(record.specifications.options) AS option_keys,
    json_extract(record.specifications.inputs, '$.*')::VARCHAR[] AS inputs,
    json_extract(record.specifications.outputs, '$.*')::VARCHAR[] AS outputs,
    json_extract(record.specifications.options, '$.*')::VARCHAR[] AS options,
    form([record.type, 'inputs'], input_keys, json_type(record.specifications.inputs, '$.*')) AS input_shape,
    form([record.type, 'outputs'], output_keys, json_type(record.specifications.outputs, '$.*')) AS output_shape,
    form([record.type, 'options'], option_keys, json_type(record.specifications.options, '$.*')) AS option_shape,
    form([record.type], keys, types) AS form
FROM read
