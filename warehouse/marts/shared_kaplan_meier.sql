-- kaplan_meier: how long so many of the jobs last, when some of them have not ended.
-- Grain: curve, a group of jobs in mart_lengths, which tells of each length (microseconds) how many jobs lasted so long, and
--   how many of these had ended then; the others are censored: they lasted at least so long.
-- Counts: a Kaplan-Meier quantile is the smallest length t with S(t) <= 1 - p, null where the curve S does not come down so
--   far. S is the product of 1 - ended / at_risk over the lengths up to t. Without censored jobs that is the share that
--   lasts longer, and the quantile a percentile_disc.
-- Leaves out: nothing.
WITH lengths_at_risk AS (
    SELECT
        curve,
        length_us,
        ended,
        sum(jobs) OVER (PARTITION BY curve ORDER BY length_us DESC ROWS UNBOUNDED PRECEDING) AS at_risk
    FROM mart_lengths
),

-- A factor of 0 has no logarithm: e^-1000 is 0.
survival AS (
    SELECT
        curve,
        length_us,
        exp(
            sum(CASE WHEN ended < at_risk THEN ln(1 - ended / at_risk) ELSE -1000e0 END)
                OVER (PARTITION BY curve ORDER BY length_us ROWS UNBOUNDED PRECEDING)
        ) AS share_left
    FROM lengths_at_risk
)

-- 1e-9 takes care of a curve that meets 1 - p exactly.
SELECT
    curve,
    min(length_us) FILTER (WHERE share_left <= 0.9e0 + 1e-9) AS us_p10,
    min(length_us) FILTER (WHERE share_left <= 0.5e0 + 1e-9) AS us_p50,
    min(length_us) FILTER (WHERE share_left <= 0.1e0 + 1e-9) AS us_p90,
    min(length_us) FILTER (WHERE share_left <= 0.05e0 + 1e-9) AS us_p95
FROM survival
GROUP BY curve
