-- Grain: iTwin ('all' for all together) of which the units of the current month are foretold.
SELECT
    unit_forecast.month,
    unit_forecast.itwin_id,
    itwins.name AS itwin_name,
    unit_forecast.units_so_far,
    unit_forecast.expected_units,
    unit_forecast.low_units,
    unit_forecast.high_units
FROM unit_forecast
LEFT JOIN itwins ON itwins.itwin_id = unit_forecast.itwin_id
WHERE unit_forecast.kind = 'forecast' AND unit_forecast.expected_units IS NOT NULL
ORDER BY unit_forecast.itwin_id <> 'all', unit_forecast.itwin_id
