-- options: The options whose values go along with longer or shorter runs, those that show most first; of all iTwins. An
--   interval that holds 1 shows nothing, and one of twenty values without an effect lies off 1 by chance. Leaves out
--   values with too few jobs to compare. One row per type, option and value.
SELECT
    type,
    option,
    value_label,
    compared_jobs,
    other_jobs,
    run_seconds_ratio,
    run_seconds_ratio_low,
    run_seconds_ratio_high,
    run_seconds_p50
FROM option_impact
WHERE NOT too_thin AND run_seconds_ratio > 0 AND run_seconds_ratio_low > 0
ORDER BY
    greatest(ln(run_seconds_ratio_low), -ln(run_seconds_ratio_high)) DESC,
    type,
    option,
    value_kind,
    value_label
LIMIT 12
