-- Grain: reality data that are asked for and known.
SELECT
    reality_data_id AS id,
    nullif(size_bytes, 0) / 1e9 AS gb,
    nullif(area_km2, 0) AS km2
FROM reality_data
WHERE reality_data_id IN (SELECT unnest($inputs::VARCHAR[]))
