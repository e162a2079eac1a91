-- Grain: curve of estimates_lengths.
SELECT
    lengths.curve,
    sum(lengths.jobs)::BIGINT AS jobs,
    any_value(curves.us_p10) / 1e6 AS p10,
    any_value(curves.us_p50) / 1e6 AS p50,
    any_value(curves.us_p90) / 1e6 AS p90
FROM estimates_lengths AS lengths
INNER JOIN estimates_kaplan_meier AS curves USING (curve)
GROUP BY lengths.curve
