-- Grain: one row for a month, iTwin, type and user with the units that units_by_month shows of them, and those of the jobs
--   behind, as whole billionths; null where a side has no such row. The mart rounds to the sixth place: `is_behind` says
--   that it shows others than the jobs have, because it was made from older ones, or by another release.
WITH totals AS (
    SELECT
        month_text(created_at) AS month,
        itwin_id,
        type,
        user_id,
        coalesce(sum(billionths(units)) FILTER (WHERE units_source = 'estimatedUnits'), 0) AS estimated,
        coalesce(sum(billionths(units)) FILTER (WHERE units_source = 'processingUnits'), 0) AS processed
    FROM jobs
    GROUP BY ALL
)

SELECT
    coalesce(t.month, m.month) AS month,
    coalesce(t.itwin_id, m.itwin_id) AS itwin_id,
    coalesce(t.type, m.type) AS type,
    coalesce(t.user_id, m.user_id) AS user_id,
    t.estimated,
    t.processed,
    round(units_of(t.estimated), 6) IS DISTINCT FROM m.estimated_units
    OR round(units_of(t.processed), 6) IS DISTINCT FROM m.processing_units AS is_behind
FROM totals AS t
FULL JOIN units_by_month AS m
    ON t.month IS NOT DISTINCT FROM m.month AND t.itwin_id IS NOT DISTINCT FROM m.itwin_id
        AND t.type IS NOT DISTINCT FROM m.type AND t.user_id IS NOT DISTINCT FROM m.user_id
ORDER BY ALL
