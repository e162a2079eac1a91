-- Grain: iTwin of a month whose newest walk is not complete.
-- Leaves out: iTwins that walks no longer ask for, which no walk can complete any more.
SELECT w.itwin_id, w.finished_at, w.error
FROM (
    SELECT *
    FROM walks
    QUALIFY row_number() OVER (PARTITION BY itwin_id ORDER BY finished_at DESC) = 1
) AS w
INNER JOIN asked_for AS a ON a.itwin_id IS NOT DISTINCT FROM w.itwin_id
WHERE NOT w.complete
ORDER BY w.itwin_id
