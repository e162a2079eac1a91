-- estimates_backtest_places: how many ends before the last known one a like job ended.
-- Grain: place, 0 to 199.
-- Leaves out: nothing. A table of its own, for of a table an engine knows the rows: the like jobs of all tested jobs are
--   millions, and it is the moments that it should keep in memory, not these.
SELECT unnest(all_places) AS place
FROM (SELECT numbers_between(0, 199) AS all_places) AS lists
