-- reference_lineage: one row per producer job, reference and consumer job, with both roles.
-- Counts: a reference (reality data, bucket path or detector; the very same text) that is an output of one job and an
--   input of another one. A bucket path means something in its iTwin alone: there both jobs must be of one iTwin.
--   Every job that names the reference as its output is a producer of it, whatever its outcome and whenever it was
--   created: the same reference may have several producers, and cycles are possible.
-- Leaves out: a job that takes its own output; values that are no reference.
WITH shared AS (
    SELECT
        produced.job_id AS producer_job_id,
        produced.type AS producer_type,
        produced.role AS producer_role,
        consumed.reference,
        consumed.kind,
        consumed.job_id AS consumer_job_id,
        consumed.type AS consumer_type,
        consumed.role AS consumer_role
    FROM job_references AS produced
    INNER JOIN job_references AS consumed ON produced.reference = consumed.reference
    WHERE
        produced.direction = 'output'
        AND consumed.direction = 'input'
        AND produced.kind IN ('reality_data', 'detector')
        AND consumed.kind IN ('reality_data', 'detector')
        AND produced.job_id <> consumed.job_id
),

bucket_paths AS (
    SELECT
        job_references.job_id,
        job_references.type,
        job_references.direction,
        job_references.role,
        job_references.reference,
        job_references.kind,
        jobs.itwin_id
    FROM job_references
    INNER JOIN jobs ON job_references.job_id = jobs.job_id
    WHERE job_references.kind = 'bucket_path'
),

shared_in_itwin AS (
    SELECT
        produced.job_id AS producer_job_id,
        produced.type AS producer_type,
        produced.role AS producer_role,
        consumed.reference,
        consumed.kind,
        consumed.job_id AS consumer_job_id,
        consumed.type AS consumer_type,
        consumed.role AS consumer_role
    FROM bucket_paths AS produced
    INNER JOIN bucket_paths AS consumed
        ON produced.reference = consumed.reference AND produced.itwin_id = consumed.itwin_id
    WHERE produced.direction = 'output' AND consumed.direction = 'input' AND produced.job_id <> consumed.job_id
),

every AS (
    SELECT * FROM shared
    UNION ALL
    SELECT * FROM shared_in_itwin
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
FROM every
GROUP BY producer_job_id, reference, consumer_job_id, producer_role, consumer_role
