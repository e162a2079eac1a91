-- detectors: The fifteen detectors that most jobs used, by version, and how these jobs ended. Of all iTwins and months.
--   One row per detector and version.
SELECT
    detector_league.detector_name,
    coalesce(detector_league.detector_display_name, reality_data.name, detector_league.detector_name) AS detector,
    detector_league.detector_version,
    detector_league.jobs,
    detector_league.succeeded,
    detector_league.failed,
    detector_league.cancelled,
    detector_league.jobs - detector_league.finished AS open,
    detector_league.failure_share,
    detector_league.run_seconds_p50,
    CASE $kind
        WHEN 'processingUnits' THEN detector_league.processing_units_p50
        ELSE detector_league.estimated_units_p50
    END AS units_p50,
    detector_league.last_used_at
FROM named.detector_league
LEFT JOIN reality_data ON reality_data.reality_data_id = detector_league.detector_name
ORDER BY detector_league.jobs DESC, detector_league.detector_name, detector_league.detector_version NULLS FIRST
LIMIT 15
