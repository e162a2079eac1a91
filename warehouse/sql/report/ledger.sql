-- ledger: The kind of units that the report shows, that of the forecast or else the one that most jobs tell; and the first
--   and the last month. One row.
SELECT
    coalesce(
        (SELECT max(units_source) FROM unit_forecast WHERE kind = 'forecast'),
        (SELECT mode(units_source ORDER BY units_source) FROM jobs WHERE units_source IS NOT NULL)
    ) AS kind,
    (SELECT min(month) FROM units_by_month) AS first_month,
    (SELECT max(month) FROM units_by_month) AS last_month
