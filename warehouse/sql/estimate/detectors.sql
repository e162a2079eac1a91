-- Grain: detector and version that jobs of a type took as an input; the version is null where none was named.
SELECT
    coalesce(detector_name, reference) AS detector,
    detector_version AS version
FROM job_references
WHERE
    type = $type AND direction = 'input' AND kind = 'detector' AND role <> 'detector_name' AND reference IS NOT NULL
GROUP BY ALL
ORDER BY ALL
