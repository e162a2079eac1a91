-- Grain: one row: the end of the newest complete walk on the API's clock, null before there is one. What lies after
--   tomorrow is not believed.
SELECT max(finished_at) AS as_of
FROM mended_walks
WHERE complete AND finished_at <= now() + INTERVAL 1 DAY
