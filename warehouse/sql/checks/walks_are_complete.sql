-- Grain: month and iTwin whose newest walk is not complete.
SELECT strftime(created_from, '%Y-%m') AS month, itwin_id, finished_at, error
FROM (
    SELECT *
    FROM walks
    QUALIFY row_number() OVER (PARTITION BY created_from, itwin_id ORDER BY finished_at DESC) = 1
)
WHERE NOT complete
ORDER BY month DESC, itwin_id
