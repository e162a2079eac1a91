-- reference_lineage: one row per producer job, reference and consumer job, with both roles.
-- Counts: a reference (reality data, bucket path or detector; the very same text) that is an output of one job and an
--   input of another one. A bucket path means something in its iTwin alone: there both jobs must be of one iTwin.
--   Every job that names the reference as its output is a producer of it, whatever its outcome and whenever it was
--   created: the same reference may have several producers, and cycles are possible.
-- Leaves out: a job that takes its own output; values that are no reference.
-- How: most outputs are nobody's input, so the few that are one are picked out by the reference alone, before what is
--   wide and long is joined.
WITH produced AS MATERIALIZED (
    SELECT
        job_id,
        type,
        role,
        reference,
        kind
    FROM job_references
    WHERE
        direction = 'output'
        AND kind IS NOT NULL
        AND reference IN (SELECT DISTINCT reference FROM job_references WHERE direction = 'input' AND kind IS NOT NULL)
),

consumed AS MATERIALIZED (
    SELECT
        job_id,
        type,
        role,
        reference,
        kind
    FROM job_references
    WHERE direction = 'input' AND kind IS NOT NULL AND reference IN (SELECT DISTINCT reference FROM produced)
),

bucket_jobs AS (
    SELECT
        job_id,
        itwin_id
    FROM jobs
    WHERE
        job_id IN (
            SELECT job_id FROM produced WHERE kind = 'bucket_path'
            UNION ALL
            SELECT job_id FROM consumed WHERE kind = 'bucket_path'
        )
),

produced_paths AS (
    SELECT
        produced.*,
        bucket_jobs.itwin_id
    FROM produced
    INNER JOIN bucket_jobs ON produced.job_id = bucket_jobs.job_id
    WHERE produced.kind = 'bucket_path'
),

consumed_paths AS (
    SELECT
        consumed.*,
        bucket_jobs.itwin_id
    FROM consumed
    INNER JOIN bucket_jobs ON consumed.job_id = bucket_jobs.job_id
    WHERE consumed.kind = 'bucket_path'
),

shared AS (
    SELECT
        produced.job_id AS producer_job_id,
        produced.type AS producer_type,
        produced.role AS producer_role,
        consumed.reference,
        consumed.kind,
        consumed.job_id AS consumer_job_id,
        consumed.type AS consumer_type,
        consumed.role AS consumer_role
    FROM produced
    INNER JOIN consumed ON produced.reference = consumed.reference
    WHERE
        produced.kind IN ('reality_data', 'detector')
        AND consumed.kind IN ('reality_data', 'detector')
        AND produced.job_id <> consumed.job_id
    UNION ALL
    SELECT
        produced_paths.job_id AS producer_job_id,
        produced_paths.type AS producer_type,
        produced_paths.role AS producer_role,
        consumed_paths.reference,
        consumed_paths.kind,
        consumed_paths.job_id AS consumer_job_id,
        consumed_paths.type AS consumer_type,
        consumed_paths.role AS consumer_role
    FROM produced_paths
    INNER JOIN consumed_paths
        ON produced_paths.reference = consumed_paths.reference AND produced_paths.itwin_id = consumed_paths.itwin_id
    WHERE produced_paths.job_id <> consumed_paths.job_id
)

SELECT
    producer_job_id,
    reference,
    consumer_job_id,
    producer_role,
    consumer_role,
    min(producer_type) AS producer_type,
    min(consumer_type) AS consumer_type,
    min(kind) AS kind
FROM shared
GROUP BY producer_job_id, reference, consumer_job_id, producer_role, consumer_role
