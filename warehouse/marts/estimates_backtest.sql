-- estimates_backtest: How often p10 to p90, as they would have been told when a job was created, held what it then
--   took: of the newest 1,000 finished jobs of each type. Each is estimated by the jobs that had ended before its
--   creation, and by nothing later: of them the 200 that ended last, of its type and iTwin or, where fewer than 20 had,
--   of its type. Four of five is what p10 to p90 promise; more where many jobs took the same. Jobs that were open then
--   are left out (estimates counts them as censored). Units are taken as they are known today. Leaves out jobs without
--   a type, an iTwin or an end. One row per type, also as 'all', and measure. Key: type, measure.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
-- How: in steps, each a file of its own: estimates_backtest_values, _moments and _tested. p10 is the value of which a tenth
--   of the n like jobs are not above: a job took less where fewer than n / 10 took as much or less; and more than p90 where
--   n * 9 / 10 or more took less.
WITH tests AS (
    SELECT
        type,
        measure,
        of_itwin,
        known >= 20 AS is_estimated,
        known >= 20 AND 10 * not_more < known AS is_below,
        known >= 20 AND 10 * less >= 9 * known AS is_above
    FROM estimates_backtest_tested
),

totals AS (
    SELECT
        CASE grouping(type) WHEN 1 THEN 'all' ELSE type END AS type,
        measure,
        count(*) FILTER (WHERE is_estimated) AS estimated,
        count(*) FILTER (WHERE NOT is_estimated) AS too_few_known,
        count(*) FILTER (WHERE is_estimated AND of_itwin) AS of_itwin,
        count(*) FILTER (WHERE is_below) AS below_p10,
        count(*) FILTER (WHERE is_above) AS above_p90
    FROM tests
    GROUP BY GROUPING SETS ((type, measure), (measure))
)

SELECT
    type,
    measure,
    estimated,
    of_itwin,
    too_few_known,
    below_p10,
    above_p90,
    estimated - below_p10 - above_p90 AS held,
    (estimated - below_p10 - above_p90) / CAST(nullif(estimated, 0) AS DOUBLE) AS held_share,
    round(share_low(estimated - below_p10 - above_p90, estimated), 6) AS held_share_low,
    round(share_high(estimated - below_p10 - above_p90, estimated), 6) AS held_share_high
FROM totals
