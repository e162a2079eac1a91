-- Grain: version of a detector, as an object. Leaves out what is no object, which is drift.
SELECT
    'detector_version' AS kind,
    v.id,
    v.version AS body,
    v.first_observed_at,
    v.changed_at,
    v.versions,
    v.gone_at,
    v.latest
FROM (
    SELECT
        *,
        coalesce(json_extract_string(body, '$.latestVersionNumber'), json_extract_string(body, '$.latestVersion')) AS latest,
        unnest(json_extract(body, '$.versions[*]')) AS version
    FROM newest_names
    WHERE kind = 'detector'
) AS v
WHERE json_type(v.version) = 'OBJECT'
