-- Grain: job of the month (a row of `newest`), its JSON read once.
-- Lenient: a value of the wrong shape becomes null and the rest of the record stands. API names stay data: the keys of
-- inputs, outputs and options are keys of maps, so names that differ only in case stand apart. A map cannot hold a key
-- twice: where one does, the record is `torn`.
SELECT
    newest.* EXCLUDE (body),
    record.userId AS user_id,
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
    (record.specifications.inputs IS NULL AND json_type(body, '$.specifications.inputs') = 'OBJECT')
    OR (record.specifications.outputs IS NULL AND json_type(body, '$.specifications.outputs') = 'OBJECT')
    OR (record.specifications.options IS NULL AND json_type(body, '$.specifications.options') = 'OBJECT') AS torn
FROM (
    SELECT
        *,
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
            "specifications": {
                "inputs": "MAP(VARCHAR, JSON)",
                "outputs": "MAP(VARCHAR, JSON)",
                "options": "MAP(VARCHAR, JSON)"
            }
        }') AS record
    FROM newest
) AS newest
