-- deliverables: The ten jobs that cost most together with all the jobs before them whose results they used, in units of
--   one kind. A job upstream counts in each deliverable that it led to, so rows must not be added up. One row per job.
WITH costs AS (
    SELECT
        *,
        CASE $kind WHEN 'processingUnits' THEN processing_units ELSE estimated_units END AS own_units,
        CASE $kind WHEN 'processingUnits' THEN upstream_processing_units ELSE upstream_estimated_units END
            AS upstream_units,
        CASE $kind WHEN 'processingUnits' THEN total_processing_units ELSE total_estimated_units END AS total_units
    FROM named.deliverable_units
)

SELECT
    costs.job_id,
    coalesce(jobs.name, 'job ' || left(costs.job_id, 8)) AS job,
    coalesce(costs.itwin_name, costs.itwin_id, 'no iTwin') AS itwin,
    costs.itwin_id,
    costs.type,
    costs.created_at,
    costs.own_units,
    costs.upstream_units,
    costs.total_units,
    costs.upstream_jobs,
    costs.units_coverage
FROM costs
LEFT JOIN jobs ON jobs.job_id = costs.job_id
WHERE
    costs.upstream_jobs > 0
    AND strftime(costs.created_at, '%Y-%m') BETWEEN $first AND $last
    AND costs.itwin_id IS NOT DISTINCT FROM coalesce($itwin, costs.itwin_id)
ORDER BY costs.total_units DESC NULLS LAST, costs.job_id
LIMIT 10
