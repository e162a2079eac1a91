-- Grain: job with less than 0 units.
SELECT job_id, name, itwin_id, type, units, units_source
FROM jobs
WHERE units < 0
ORDER BY units, job_id
