-- Grain: iTwin (two of one name stay two) and month of creation. Estimates and consumptions stand apart; `with_units` are the jobs that tell any.
WITH busiest AS (
    SELECT itwin_id FROM jobs GROUP BY itwin_id ORDER BY count(*) DESC, itwin_id LIMIT 5
)

SELECT
    created_month AS month,
    any_value(itwin_name) AS itwin,
    itwin_id,
    count(*) AS jobs,
    count(units) AS with_units,
    sum(units) FILTER (WHERE units_source = 'estimatedUnits') AS estimated_units,
    sum(units) FILTER (WHERE units_source = 'processingUnits') AS processing_units
FROM named.jobs
WHERE itwin_id IN (SELECT itwin_id FROM busiest)
    AND created_at >= (SELECT date_trunc('month', max(created_at)) - INTERVAL 2 MONTH FROM jobs)
GROUP BY ALL
ORDER BY month, jobs DESC, itwin_id
