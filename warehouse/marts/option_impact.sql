-- option_impact: one row per job type, option and value; numbers in quartiles of all values of that type and option.
-- Counts: jobs that succeeded. An interval (low, high) holds the true median with 95 %: it lies between the values at
--   the ranks floor((n - 1.96 * sqrt(n)) / 2) and 1 + ceil((n + 1.96 * sqrt(n)) / 2), held within 1 and n, of the n
--   values in their order. run_seconds_ratio: how many times as long as the other jobs of the same type and detector
--   (those with another value, and those without the option) the jobs with the value run: the geometric mean of their
--   run seconds over that of the others, compared within each detector and weighted by the jobs with the value. Run
--   times spread evenly around their median in the logarithm: there this is the ratio of the medians, and long jobs
--   do not rule. Its interval is that of a difference of two means of logarithms, taken within each detector, with one
--   spread for all (what the detectors and the value leave unexplained) and the 97.5 % point of Student's t for its
--   degrees of freedom (1.96 + 2.4 / them). It takes jobs as independent of each other.
--   Where the option is a list, each element is a value, and a job counts once for each of its values.
-- Leaves out: jobs that did not succeed, and jobs without a type; intervals of fewer than 20 values; the ratio with
--   fewer than 20 jobs on either side, and in it the jobs of no length and those whose detector has no job without the
--   value; the ratio's interval with fewer than 20 degrees of freedom (many detectors of a job or two).
WITH detectors AS (
    SELECT
        job_id,
        min(reference) AS detector
    FROM job_references
    WHERE direction = 'input' AND kind = 'detector' AND role <> 'detector_name'
    GROUP BY job_id
),

finished AS MATERIALIZED (
    SELECT
        jobs.job_id,
        jobs.type,
        coalesce(detectors.detector, '') AS detector,
        jobs.run_seconds,
        CASE WHEN jobs.run_seconds > 0 THEN ln(jobs.run_seconds) END AS log_run_seconds,
        CASE WHEN jobs.units_source = 'estimatedUnits' THEN jobs.units END AS estimated_units,
        CASE WHEN jobs.units_source = 'processingUnits' THEN jobs.units END AS processing_units
    FROM jobs
    LEFT JOIN detectors ON jobs.job_id = detectors.job_id
    WHERE jobs.outcome = 'success'
),

-- A peer group is all jobs of one type and detector. Jobs of no length have no logarithm.
peer_groups AS (
    SELECT
        type,
        detector,
        count(log_run_seconds) AS jobs,
        sum(log_run_seconds) AS log_run_seconds,
        sum(log_run_seconds * log_run_seconds) AS squares
    FROM finished
    GROUP BY type, detector
),

quartiles AS (
    SELECT
        type,
        option,
        percentile_cont(0.25) WITHIN GROUP (ORDER BY number) AS q1,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY number) AS q2,
        percentile_cont(0.75) WITHIN GROUP (ORDER BY number) AS q3
    FROM job_options
    WHERE number IS NOT NULL
    GROUP BY type, option
),

option_values AS (
    SELECT
        job_options.job_id,
        job_options.type,
        job_options.option,
        job_options.api_field,
        job_options.ordinal,
        job_options.number,
        CASE
            WHEN job_options.number IS NOT NULL THEN 'number'
            WHEN job_options.boolean IS NOT NULL THEN 'boolean'
            ELSE 'text'
        END AS value_kind,
        CASE
            WHEN job_options.number <= quartiles.q1 THEN 'q1'
            WHEN job_options.number <= quartiles.q2 THEN 'q2'
            WHEN job_options.number <= quartiles.q3 THEN 'q3'
            WHEN job_options.number IS NOT NULL THEN 'q4'
            WHEN job_options.boolean THEN 'true'
            WHEN NOT job_options.boolean THEN 'false'
            ELSE job_options.value
        END AS bucket
    FROM job_options
    LEFT JOIN quartiles ON job_options.type = quartiles.type AND job_options.option = quartiles.option
    WHERE job_options.number IS NOT NULL OR job_options.boolean IS NOT NULL OR job_options.value IS NOT NULL
),

labels AS MATERIALIZED (
    SELECT
        type,
        option,
        value_kind,
        bucket,
        row_number() OVER () AS label,
        min(number) AS lowest,
        max(number) AS highest,
        count(*) FILTER (WHERE ordinal > 1) > 0 OR count(DISTINCT api_field) > 1 AS may_repeat
    FROM option_values
    GROUP BY type, option, value_kind, bucket
),

labelled AS (
    SELECT
        option_values.job_id,
        labels.label,
        labels.may_repeat
    FROM option_values
    INNER JOIN labels
        ON
            option_values.type = labels.type
            AND option_values.option = labels.option
            AND option_values.value_kind = labels.value_kind
            AND option_values.bucket = labels.bucket
),

-- Only a list, or a value under two of the API's names, can give a job the same value twice.
labelled_once AS (
    SELECT job_id, label FROM labelled WHERE NOT may_repeat
    UNION ALL
    SELECT DISTINCT job_id, label FROM labelled WHERE may_repeat
),

chosen AS MATERIALIZED (
    SELECT
        labelled_once.label,
        finished.type,
        finished.detector,
        finished.run_seconds,
        finished.log_run_seconds,
        finished.estimated_units,
        finished.processing_units
    FROM labelled_once
    INNER JOIN finished ON labelled_once.job_id = finished.job_id
),

sides AS (
    SELECT
        label,
        type,
        detector,
        count(*) AS jobs,
        sum(log_run_seconds) AS log_run_seconds
    FROM chosen
    WHERE log_run_seconds IS NOT NULL
    GROUP BY label, type, detector
),

-- The jobs with the value and the others of the same detector.
pairs AS (
    SELECT
        sides.label,
        CAST(sides.jobs AS DOUBLE) AS jobs,
        sides.log_run_seconds,
        CAST(peer_groups.jobs - sides.jobs AS DOUBLE) AS other_jobs,
        peer_groups.log_run_seconds - sides.log_run_seconds AS other_log_run_seconds,
        peer_groups.squares
    FROM sides
    INNER JOIN peer_groups ON sides.type = peer_groups.type AND sides.detector = peer_groups.detector
    WHERE peer_groups.jobs > sides.jobs
),

differences AS (
    SELECT
        label,
        sum(jobs) AS compared_jobs,
        sum(other_jobs) AS other_jobs,
        sum(log_run_seconds - jobs * other_log_run_seconds / other_jobs) / sum(jobs) AS difference,
        sum(jobs + other_jobs - 2) AS freedom,
        greatest(
            0,
            sum(
                squares - log_run_seconds * log_run_seconds / jobs
                - other_log_run_seconds * other_log_run_seconds / other_jobs
            )
        ) AS unexplained,
        sum(jobs + jobs * jobs / other_jobs) / (sum(jobs) * sum(jobs)) AS weight
    FROM pairs
    GROUP BY label
),

ratios AS (
    SELECT
        label,
        compared_jobs,
        other_jobs,
        difference,
        CASE WHEN freedom >= 20 THEN (1.96 + 2.4 / freedom) * sqrt(unexplained / freedom * weight) END AS margin
    FROM differences
    WHERE compared_jobs >= 20 AND other_jobs >= 20
),

lists AS (
    SELECT
        label,
        count(*) AS jobs,
        array_agg(run_seconds ORDER BY run_seconds) FILTER (WHERE run_seconds IS NOT NULL) AS runs,
        array_agg(estimated_units ORDER BY estimated_units)
            FILTER (WHERE estimated_units IS NOT NULL) AS estimates,
        array_agg(processing_units ORDER BY processing_units)
            FILTER (WHERE processing_units IS NOT NULL) AS processed,
        count(run_seconds) AS with_run_seconds,
        count(estimated_units) AS with_estimated_units,
        count(processing_units) AS with_processing_units
    FROM chosen
    GROUP BY label
),

ranks AS (
    SELECT
        *,
        greatest(1, floor((with_run_seconds - 1.96 * sqrt(with_run_seconds)) / 2)::BIGINT) AS runs_low,
        least(with_run_seconds, 1 + ceil((with_run_seconds + 1.96 * sqrt(with_run_seconds)) / 2)::BIGINT) AS runs_high,
        greatest(1, floor((with_estimated_units - 1.96 * sqrt(with_estimated_units)) / 2)::BIGINT) AS estimates_low,
        least(
            with_estimated_units, 1 + ceil((with_estimated_units + 1.96 * sqrt(with_estimated_units)) / 2)::BIGINT
        ) AS estimates_high,
        greatest(1, floor((with_processing_units - 1.96 * sqrt(with_processing_units)) / 2)::BIGINT) AS processed_low,
        least(
            with_processing_units, 1 + ceil((with_processing_units + 1.96 * sqrt(with_processing_units)) / 2)::BIGINT
        ) AS processed_high
    FROM lists
)

SELECT
    labels.type,
    labels.option,
    labels.value_kind,
    CASE labels.value_kind
        WHEN 'number' THEN labels.bucket || ' [' || labels.lowest || ', ' || labels.highest || ']'
        ELSE labels.bucket
    END AS value_label,
    ranks.jobs,
    ranks.with_run_seconds,
    (ranks.runs[(ranks.with_run_seconds + 1) // 2] + ranks.runs[(ranks.with_run_seconds + 2) // 2]) / 2
        AS run_seconds_p50,
    CASE WHEN ranks.with_run_seconds >= 20 THEN ranks.runs[ranks.runs_low] END AS run_seconds_low,
    CASE WHEN ranks.with_run_seconds >= 20 THEN ranks.runs[ranks.runs_high] END AS run_seconds_high,
    CAST(coalesce(differences.compared_jobs, 0) AS BIGINT) AS compared_jobs,
    CAST(coalesce(differences.other_jobs, 0) AS BIGINT) AS other_jobs,
    round(exp(ratios.difference), 6) AS run_seconds_ratio,
    round(exp(ratios.difference - ratios.margin), 6) AS run_seconds_ratio_low,
    round(exp(ratios.difference + ratios.margin), 6) AS run_seconds_ratio_high,
    ratios.label IS NULL AS too_thin,
    ranks.with_estimated_units,
    (
        ranks.estimates[(ranks.with_estimated_units + 1) // 2] + ranks.estimates[(ranks.with_estimated_units + 2) // 2]
    ) / 2 AS estimated_units_p50,
    CASE WHEN ranks.with_estimated_units >= 20 THEN ranks.estimates[ranks.estimates_low] END AS estimated_units_low,
    CASE WHEN ranks.with_estimated_units >= 20 THEN ranks.estimates[ranks.estimates_high] END AS estimated_units_high,
    ranks.with_processing_units,
    (
        ranks.processed[(ranks.with_processing_units + 1) // 2]
        + ranks.processed[(ranks.with_processing_units + 2) // 2]
    ) / 2 AS processing_units_p50,
    CASE WHEN ranks.with_processing_units >= 20 THEN ranks.processed[ranks.processed_low] END AS processing_units_low,
    CASE WHEN ranks.with_processing_units >= 20 THEN ranks.processed[ranks.processed_high] END AS processing_units_high
FROM ranks
INNER JOIN labels ON ranks.label = labels.label
LEFT JOIN differences ON ranks.label = differences.label
LEFT JOIN ratios ON ranks.label = ratios.label
