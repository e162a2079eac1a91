-- units_by_month: What jobs consumed, each job once with its newest value, by the month of creation; open and vanished
--   jobs too. A restatement replaces the value before it. Jobs without a value add nothing: the coverage says how many
--   of the finished ones have one. Estimates and consumption stand apart. Groups do not overlap: summed over any of
--   them, the totals are those of all jobs. Leaves out nothing. One row per month of creation, iTwin, type and user.
--   Key: month, itwin_id, type, user_id.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
WITH accounts AS (
    SELECT
        created_month AS month,
        itwin_id,
        type,
        user_id,
        outcome,
        outcome <> 'open' AS is_finished,
        outcome <> 'open' AND (started_at IS NOT NULL OR ended_at IS NULL) AS should_have_run,
        units,
        CASE WHEN units_source = 'estimatedUnits' THEN billionths(units) END AS estimated,
        CASE WHEN units_source = 'processingUnits' THEN billionths(units) END AS processed,
        CASE WHEN outcome <> 'open' THEN epoch_us(ended_at) - epoch_us(started_at) END AS run_us
    FROM jobs
),

totals AS (
    SELECT
        month,
        itwin_id,
        type,
        user_id,
        count(*) AS jobs,
        count(*) FILTER (WHERE is_finished) AS finished,
        count(units) FILTER (WHERE is_finished) AS with_units,
        units_of(sum(estimated)) AS estimated_units,
        units_of(sum(processed)) AS processing_units,
        units_of(sum(estimated) FILTER (WHERE outcome = 'failed')) AS failed_estimated_units,
        units_of(sum(processed) FILTER (WHERE outcome = 'failed')) AS failed_processing_units,
        units_of(sum(estimated) FILTER (WHERE outcome = 'cancelled')) AS cancelled_estimated_units,
        units_of(sum(processed) FILTER (WHERE outcome = 'cancelled')) AS cancelled_processing_units,
        units_of(sum(estimated) FILTER (WHERE NOT is_finished)) AS open_estimated_units,
        units_of(sum(processed) FILTER (WHERE NOT is_finished)) AS open_processing_units,
        count(*) FILTER (WHERE should_have_run) AS should_have_run,
        count(run_us) AS with_run,
        sum(run_us) / 3.6e9 AS run_hours,
        units_of(sum(estimated) FILTER (WHERE run_us IS NOT NULL)) AS estimated_units_of_runs,
        sum(run_us) FILTER (WHERE estimated IS NOT NULL) / 3.6e9 AS run_hours_of_estimated,
        units_of(sum(processed) FILTER (WHERE run_us IS NOT NULL)) AS processing_units_of_runs,
        sum(run_us) FILTER (WHERE processed IS NOT NULL) / 3.6e9 AS run_hours_of_processed
    FROM accounts
    GROUP BY month, itwin_id, type, user_id
)

SELECT
    month,
    itwin_id,
    type,
    user_id,
    jobs,
    finished,
    with_units,
    with_units / CAST(nullif(finished, 0) AS DOUBLE) AS units_coverage,
    round(coalesce(estimated_units, 0), 6) AS estimated_units,
    round(coalesce(processing_units, 0), 6) AS processing_units,
    round(coalesce(failed_estimated_units, 0), 6) AS failed_estimated_units,
    round(coalesce(failed_processing_units, 0), 6) AS failed_processing_units,
    round(coalesce(cancelled_estimated_units, 0), 6) AS cancelled_estimated_units,
    round(coalesce(cancelled_processing_units, 0), 6) AS cancelled_processing_units,
    round(coalesce(open_estimated_units, 0), 6) AS open_estimated_units,
    round(coalesce(open_processing_units, 0), 6) AS open_processing_units,
    with_run,
    with_run / CAST(nullif(should_have_run, 0) AS DOUBLE) AS run_coverage,
    coalesce(run_hours, 0) AS run_hours,
    round(estimated_units_of_runs / nullif(run_hours_of_estimated, 0), 6) AS estimated_units_per_run_hour,
    round(processing_units_of_runs / nullif(run_hours_of_processed, 0), 6) AS processing_units_per_run_hour
FROM totals
