-- deliverable_units: What a job cost together with the jobs before it: all that can be reached backwards over
--   reference_lineage. A job or reference upstream counts once per deliverable, however many paths lead to it; one
--   shared by many consumers counts once in each of them, so the totals must not be summed over rows. Jobs upstream
--   count whatever their outcome. Leaves out units that are not known (see units_coverage) and what no job made (photos
--   that somebody uploaded). One row per job. Key: job_id.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
WITH RECURSIVE steps AS (
    SELECT DISTINCT
        consumer_job_id AS job_id,
        producer_job_id AS upstream_job_id
    FROM reference_lineage
),

-- Every length of a path between two jobs. Lineage has no cycles, so this ends.
paths AS (
    SELECT
        job_id,
        upstream_job_id,
        1 AS distance
    FROM steps
    UNION ALL
    SELECT DISTINCT
        paths.job_id,
        steps.upstream_job_id,
        paths.distance + 1 AS distance
    FROM paths
    INNER JOIN steps ON paths.upstream_job_id = steps.job_id
),

upstream AS (
    SELECT
        job_id,
        upstream_job_id,
        min(distance) AS distance
    FROM paths
    GROUP BY job_id, upstream_job_id
),

accounts AS (
    SELECT
        job_id,
        itwin_id,
        type,
        created_at,
        units,
        CASE WHEN units_source = 'estimatedUnits' THEN units END AS estimated_units,
        CASE WHEN units_source = 'processingUnits' THEN units END AS processing_units
    FROM jobs
),

upstream_totals AS (
    SELECT
        upstream.job_id,
        count(*) AS jobs,
        count(accounts.units) AS with_units,
        sum(billionths(accounts.estimated_units)) AS estimated,
        sum(billionths(accounts.processing_units)) AS processed,
        max(upstream.distance) AS depth
    FROM upstream
    INNER JOIN accounts ON upstream.upstream_job_id = accounts.job_id
    GROUP BY upstream.job_id
),

totals AS (
    SELECT
        accounts.*,
        coalesce(upstream_totals.jobs, 0) AS upstream_jobs,
        coalesce(upstream_totals.with_units, 0) AS upstream_with_units,
        upstream_totals.estimated AS upstream_estimated,
        upstream_totals.processed AS upstream_processed,
        billionths(accounts.estimated_units) AS own_estimated,
        billionths(accounts.processing_units) AS own_processed,
        coalesce(upstream_totals.depth, 0) AS depth
    FROM accounts
    LEFT JOIN upstream_totals ON accounts.job_id = upstream_totals.job_id
)

SELECT
    job_id,
    itwin_id,
    type,
    created_at,
    estimated_units,
    processing_units,
    upstream_jobs,
    upstream_with_units,
    upstream_with_units / CAST(nullif(upstream_jobs, 0) AS DOUBLE) AS units_coverage,
    round(units_of(upstream_estimated), 6) AS upstream_estimated_units,
    round(units_of(upstream_processed), 6) AS upstream_processing_units,
    round(units_of(coalesce(own_estimated + upstream_estimated, own_estimated, upstream_estimated)), 6)
        AS total_estimated_units,
    round(units_of(coalesce(own_processed + upstream_processed, own_processed, upstream_processed)), 6)
        AS total_processing_units,
    CAST(depth AS BIGINT) AS depth
FROM totals
