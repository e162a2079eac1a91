-- week: The seven days before as_of beside the seven before those: jobs by their day of creation, and their units of one
--   kind. One row per week, 'this' and 'before'.
WITH weeks AS (
    SELECT
        CASE WHEN created_at >= $as_of - INTERVAL 7 DAY THEN 'this' ELSE 'before' END AS week,
        outcome,
        queue_seconds,
        run_seconds,
        TRY_CAST(CASE WHEN units_source = $kind THEN units END AS DECIMAL(24, 6)) AS units
    FROM jobs
    WHERE
        created_at >= $as_of - INTERVAL 14 DAY
        AND created_at < $as_of
        AND itwin_id IS NOT DISTINCT FROM coalesce($itwin, itwin_id)
)

SELECT
    week,
    count(*) AS jobs,
    count(units) AS with_units,
    CAST(coalesce(sum(units), 0) AS DOUBLE) AS units,
    count(*) FILTER (WHERE outcome <> 'open') AS finished,
    count(*) FILTER (WHERE outcome = 'failed') AS failed,
    median(queue_seconds) AS queue_seconds_p50,
    median(run_seconds) AS run_seconds_p50
FROM weeks
GROUP BY week
ORDER BY week DESC
