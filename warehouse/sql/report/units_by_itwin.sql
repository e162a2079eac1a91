-- units_by_itwin: What jobs cost, in units of one kind. The six iTwins that cost most stand alone, the others together.
--   One row per month of creation and iTwin.
WITH months AS (
    SELECT
        month,
        itwin_id,
        itwin_name,
        jobs,
        TRY_CAST(CASE $kind WHEN 'processingUnits' THEN processing_units ELSE estimated_units END AS DECIMAL(24, 6))
            AS units
    FROM named.units_by_month
    WHERE month BETWEEN $first AND $last AND itwin_id IS NOT DISTINCT FROM coalesce($itwin, itwin_id)
),

ranks AS (
    SELECT
        itwin_id,
        row_number() OVER (ORDER BY sum(units) DESC NULLS LAST, itwin_id) AS place
    FROM months
    GROUP BY itwin_id
)

SELECT
    months.month,
    least(ranks.place, 7) AS place,
    CASE WHEN ranks.place <= 6 THEN max(months.itwin_id) END AS itwin_id,
    CASE WHEN ranks.place <= 6 THEN coalesce(max(months.itwin_name), max(months.itwin_id), 'no iTwin') ELSE 'Other iTwins' END
        AS itwin,
    CAST(sum(months.jobs) AS BIGINT) AS jobs,
    CAST(coalesce(sum(months.units), 0) AS DOUBLE) AS units
FROM months
INNER JOIN ranks ON ranks.itwin_id IS NOT DISTINCT FROM months.itwin_id
GROUP BY months.month, least(ranks.place, 7), ranks.place <= 6
ORDER BY months.month, place
