-- Grain: detector and version that jobs of a type took as an input; the version is null where none was named.
-- Counts: id, how jobs call it, and the name that people know it by, where that is known: that of the reality data, where a
--   job calls it by a GUID.
WITH used AS (
    SELECT
        coalesce(detector_name, reference) AS id,
        detector_version AS version
    FROM job_references
    WHERE
        type = $type AND direction = 'input' AND kind = 'detector' AND role <> 'detector_name' AND reference IS NOT NULL
    GROUP BY ALL
)

SELECT
    used.id,
    used.version,
    coalesce(detectors.name, reality_data.name) AS name
FROM used
LEFT JOIN detectors ON used.id = detectors.detector_name
LEFT JOIN reality_data ON used.id = reality_data.reality_data_id
ORDER BY used.id, used.version
