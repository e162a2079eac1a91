-- Grain: job of the month (a row of `newest`), its JSON read once.
-- Lenient: a value of the wrong shape becomes null and the rest of the record stands. API names stay data: `inputs`,
-- `outputs` and `options` are JSON texts. A shape stands for the type, a part, its keys and the types of its values: what the
-- contract says of it holds for every job with the same one, so it is asked once for each shape and not for each job. A
-- `form` is the same for the rest of the record.
WITH read AS (
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
        record_keys(body) AS keys,
        json_type(body, envelope_paths()) AS types
    FROM bodies
)

SELECT
    * EXCLUDE (record, keys, types),
    spelled(record.userId) AS user_id,
    record.name,
    record.type,
    record.state,
    record.executionInfo.createdDateTime AS created_text,
    record.executionInfo.startedDateTime AS started_text,
    record.executionInfo.endedDateTime AS ended_text,
    record.executionInfo.estimatedUnits AS estimated_units,
    record.executionInfo.processingUnits AS processing_units,
    record.specifications.inputs,
    record.specifications.outputs,
    record.specifications.options,
    shape(record.type, 'inputs', record.specifications.inputs) AS input_shape,
    shape(record.type, 'outputs', record.specifications.outputs) AS output_shape,
    shape(record.type, 'options', record.specifications.options) AS option_shape,
    form(record.type, keys, types) AS form
FROM read
