-- option_impact: What goes along with the value of an option, over the jobs that succeeded: their median run seconds
--   and units, with an interval that holds the true median with 95 % or a little more, and how their run seconds
--   compare with those of the type's other jobs of the same detector, with a 95 % interval, however differently
--   detectors and sides spread. Numbers stand in quartiles of all values of the type and option. In a list each element
--   is a value, and a job counts once for each. It shows what goes together, not what causes it: an interval that holds
--   1 shows nothing. Leaves out jobs that did not succeed or have no type; intervals of fewer than 20 values; ratios
--   with fewer than 20 jobs on either side, and in ratios jobs of no length and detectors with fewer than 5 jobs on
--   either side, whose spread is not known. One row per job type, option and value. Key: type, option, value_kind,
--   value_label.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
-- How: the ratio is a difference of means of logarithms, stratum by stratum (a detector is one). Its interval is Welch's:
--   each side of each stratum has its own variance, and Student's t has Welch's and Satterthwaite's degrees of freedom.
WITH detectors AS (
    SELECT job_id, min(reference) AS detector
    FROM job_references
    WHERE direction = 'input' AND kind = 'detector' AND role <> 'detector_name'
    GROUP BY job_id
),

succeeded_jobs AS MATERIALIZED (
    SELECT
        jobs.job_id,
        jobs.type,
        coalesce(detectors.detector, '') AS detector,
        jobs.run_seconds,
        CASE WHEN jobs.run_seconds > 0 THEN ln(jobs.run_seconds) END AS log_seconds,
        CASE WHEN jobs.units_source = 'estimatedUnits' THEN jobs.units END AS estimated_units,
        CASE WHEN jobs.units_source = 'processingUnits' THEN jobs.units END AS processing_units
    FROM jobs
    LEFT JOIN detectors ON jobs.job_id = detectors.job_id
    WHERE jobs.outcome = 'success'
),

quartiles AS (
    SELECT
        type,
        option,
        percentile_cont(list_value(0.25, 0.5, 0.75)) WITHIN GROUP (ORDER BY number) AS edges
    FROM job_options
    WHERE number IS NOT NULL
    GROUP BY type, option
),

option_values AS (
    SELECT
        job_options.job_id,
        job_options.type,
        job_options.option,
        job_options.number,
        CASE
            WHEN job_options.number IS NOT NULL THEN 'number'
            WHEN job_options.boolean IS NOT NULL THEN 'boolean'
            ELSE 'text'
        END AS value_kind,
        CASE
            WHEN job_options.number <= list_extract(quartiles.edges, 1) THEN 'q1'
            WHEN job_options.number <= list_extract(quartiles.edges, 2) THEN 'q2'
            WHEN job_options.number <= list_extract(quartiles.edges, 3) THEN 'q3'
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
        row_number() OVER (ORDER BY type NULLS LAST, option, value_kind, bucket) AS label,
        min(number) AS lowest,
        max(number) AS highest
    FROM option_values
    GROUP BY type, option, value_kind, bucket
),

-- A list, or a value under two of the API's names, can give a job the same value twice.
job_labels AS (
    SELECT DISTINCT option_values.job_id, labels.label
    FROM option_values
    INNER JOIN labels USING (type, option, value_kind, bucket)
),

labelled_jobs AS MATERIALIZED (
    SELECT job_labels.label, succeeded_jobs.*
    FROM job_labels
    INNER JOIN succeeded_jobs ON job_labels.job_id = succeeded_jobs.job_id
),

-- All jobs of one type and detector. `squares` is the sum of the squared distances to the mean.
peer_groups AS (
    SELECT
        type,
        detector,
        CAST(count(log_seconds) AS DOUBLE) AS jobs,
        avg(log_seconds) AS mean,
        var_pop(log_seconds) * count(log_seconds) AS squares
    FROM succeeded_jobs
    GROUP BY type, detector
),

label_groups AS (
    SELECT
        label,
        type,
        detector,
        CAST(count(log_seconds) AS DOUBLE) AS jobs,
        avg(log_seconds) AS mean,
        var_pop(log_seconds) * count(log_seconds) AS squares
    FROM labelled_jobs
    GROUP BY label, type, detector
),

-- The jobs with a label beside the others of their peer group, whose figures are what is left of the group's. A stratum
-- weighs as its jobs with the label are many; an error is the variance of a side's mean, times the weight squared.
strata AS (
    SELECT
        mine.label,
        mine.jobs,
        peers.jobs - mine.jobs AS other_jobs,
        peers.jobs * (mine.mean - peers.mean) / other_jobs AS gap,
        greatest(0e0, peers.squares - mine.squares - mine.jobs * other_jobs / peers.jobs * gap * gap) AS other_squares,
        mine.jobs * mine.squares / (mine.jobs - 1) AS error,
        mine.jobs * mine.jobs * other_squares / other_jobs / (other_jobs - 1) AS other_error
    FROM label_groups AS mine
    INNER JOIN peer_groups AS peers ON mine.type = peers.type AND mine.detector = peers.detector
    WHERE mine.jobs >= 5 AND peers.jobs - mine.jobs >= 5
),

comparisons AS (
    SELECT
        label,
        sum(jobs) AS compared_jobs,
        sum(other_jobs) AS other_jobs,
        sum(jobs * gap) / sum(jobs) AS difference,
        sqrt(sum(error + other_error)) / sum(jobs) AS standard_error,
        power(sum(error + other_error), 2)
        / nullif(sum(error * error / (jobs - 1) + other_error * other_error / (other_jobs - 1)), 0) AS freedom
    FROM strata
    GROUP BY label
),

ratios AS (
    SELECT
        label,
        difference,
        CASE WHEN standard_error > 1e-6 THEN standard_error * student_t(freedom) END AS margin
    FROM comparisons
    WHERE compared_jobs >= 20 AND other_jobs >= 20
),

measures AS (
    SELECT
        label,
        count(*) AS jobs,
        array_sort(array_agg(run_seconds) FILTER (WHERE run_seconds IS NOT NULL)) AS runs,
        array_sort(array_agg(estimated_units) FILTER (WHERE estimated_units IS NOT NULL)) AS estimates,
        array_sort(array_agg(processing_units) FILTER (WHERE processing_units IS NOT NULL)) AS processed,
        count(run_seconds) AS with_run_seconds,
        count(estimated_units) AS with_estimated_units,
        count(processing_units) AS with_processing_units
    FROM labelled_jobs
    GROUP BY label
)

SELECT
    labels.type,
    labels.option,
    labels.value_kind,
    labels.bucket
    || coalesce(' [' || number_text(labels.lowest) || ', ' || number_text(labels.highest) || ']', '') AS value_label,
    measures.jobs,
    measures.with_run_seconds,
    median_of(measures.runs) AS run_seconds_p50,
    median_low(measures.runs) AS run_seconds_low,
    median_high(measures.runs) AS run_seconds_high,
    CAST(coalesce(comparisons.compared_jobs, 0) AS BIGINT) AS compared_jobs,
    CAST(coalesce(comparisons.other_jobs, 0) AS BIGINT) AS other_jobs,
    round(exp(ratios.difference), 6) AS run_seconds_ratio,
    round(exp(ratios.difference - ratios.margin), 6) AS run_seconds_ratio_low,
    round(exp(ratios.difference + ratios.margin), 6) AS run_seconds_ratio_high,
    ratios.label IS NULL AS too_thin,
    measures.with_estimated_units,
    median_of(measures.estimates) AS estimated_units_p50,
    median_low(measures.estimates) AS estimated_units_low,
    median_high(measures.estimates) AS estimated_units_high,
    measures.with_processing_units,
    median_of(measures.processed) AS processing_units_p50,
    median_low(measures.processed) AS processing_units_low,
    median_high(measures.processed) AS processing_units_high
FROM measures
INNER JOIN labels ON measures.label = labels.label
LEFT JOIN comparisons ON measures.label = comparisons.label
LEFT JOIN ratios ON measures.label = ratios.label
