-- latest_versions: from when to when each version of a detector was its latest: the one created last, of those that are ready.
-- Grain: version of a detector.
-- Counts: until_at is excluded, and null for the latest one now.
-- Leaves out: versions that are not ready, or whose creation is not known.
SELECT
    detector_name,
    version,
    created_at AS from_at,
    lead(created_at) OVER (PARTITION BY detector_name ORDER BY created_at, version NULLS LAST) AS until_at
FROM detector_versions
WHERE created_at IS NOT NULL AND status = 'Ready'
