-- forecast: What the month of as_of has cost so far, and will have cost. Leaves out all but the 100 dearest iTwins. One
--   row per iTwin, and one for all of them.
SELECT
    itwin_id,
    CASE itwin_id WHEN 'all' THEN 'All iTwins' ELSE coalesce(itwin_name, itwin_id) END AS itwin,
    itwin_name,
    month,
    day,
    units_source,
    jobs,
    finished,
    with_units,
    units_so_far,
    open_units,
    remaining_units,
    expected_units,
    low_units,
    high_units,
    last_month_units
FROM named.unit_forecast
WHERE kind = 'forecast' AND itwin_id = coalesce($itwin, itwin_id)
ORDER BY itwin_id <> 'all', expected_units DESC NULLS LAST, itwin_id
LIMIT 101
