-- week_parts: Where the seven days before as_of differ most, in units, from the seven before those: the ten parts with
--   the largest change. One row per iTwin and type.
WITH weeks AS (
    SELECT
        itwin_id,
        itwin_name,
        type,
        created_at >= $as_of - INTERVAL 7 DAY AS is_this,
        TRY_CAST(CASE WHEN units_source = $kind THEN units END AS DECIMAL(24, 6)) AS units
    FROM named.jobs
    WHERE
        created_at >= $as_of - INTERVAL 14 DAY
        AND created_at < $as_of
        AND itwin_id IS NOT DISTINCT FROM coalesce($itwin, itwin_id)
),

parts AS (
    SELECT
        itwin_id,
        itwin_name,
        type,
        count(*) FILTER (WHERE is_this) AS jobs,
        count(*) FILTER (WHERE NOT is_this) AS jobs_before,
        coalesce(sum(units) FILTER (WHERE is_this), 0) AS units,
        coalesce(sum(units) FILTER (WHERE NOT is_this), 0) AS units_before
    FROM weeks
    GROUP BY itwin_id, itwin_name, type
)

SELECT
    coalesce(itwin_name, itwin_id, 'no iTwin') AS itwin,
    itwin_id,
    type,
    jobs,
    jobs_before,
    CAST(units AS DOUBLE) AS units,
    CAST(units_before AS DOUBLE) AS units_before,
    CAST(units - units_before AS DOUBLE) AS change
FROM parts
ORDER BY abs(units - units_before) DESC, itwin_id, type
LIMIT 10
