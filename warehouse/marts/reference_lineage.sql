-- reference_lineage: Which job had made what a job read: a reference (reality data, bucket path or detector; the very
--   same text) that is an input of one job and an output of another one before it. A reader used what the newest
--   producer before it had made: the one that ended last by the time the reader was created or, where none had ended by
--   then, the one created last. Before is in order of creation, ties by job id, so that lineage goes forward and has no
--   cycles: no job is upstream of itself. Outcomes do not matter. A bucket path counts only within its iTwin. Leaves
--   out readers of what no job before them had made, and values that are no reference. One row per reader (a job, a
--   reference among its inputs and its role there) of what a job before it had made. Key: consumer_job_id, reference,
--   consumer_role.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
-- How: most references have one producer, which was there before the reader or was not. What happens to the others is
--   put in order once, so that a path that is written and read a thousand times takes a thousand steps, not a million.
WITH produced AS MATERIALIZED (
    SELECT
        job_references.job_id,
        job_references.type,
        job_references.role,
        job_references.reference,
        CASE WHEN job_references.kind = 'bucket_path' THEN jobs.itwin_id ELSE '' END AS scope,
        jobs.created_at,
        CASE WHEN jobs.ended_at IS NOT NULL THEN greatest(jobs.ended_at, jobs.created_at) END AS ended_at
    FROM job_references
    INNER JOIN jobs ON job_references.job_id = jobs.job_id
    WHERE
        job_references.direction = 'output'
        AND job_references.kind IS NOT NULL
        AND job_references.reference IN (
            SELECT DISTINCT reference FROM job_references WHERE direction = 'input' AND kind IS NOT NULL
        )
),

-- Where there is but one producer, the smallest of its values are its values.
made_references AS (
    SELECT
        reference,
        count(*) AS producers,
        min(job_id) AS job_id,
        min(type) AS type,
        min(role) AS role,
        min(scope) AS scope,
        min(created_at) AS created_at
    FROM produced
    GROUP BY reference
),

-- A reference that stands twice in a list is read once.
inputs AS (
    SELECT
        job_id,
        min(type) AS type,
        role,
        reference,
        min(kind) AS kind
    FROM job_references
    WHERE direction = 'input' AND kind IS NOT NULL AND reference IN (SELECT reference FROM made_references)
    GROUP BY job_id, role, reference
),

consumed AS MATERIALIZED (
    SELECT
        inputs.*,
        CASE WHEN inputs.kind = 'bucket_path' THEN jobs.itwin_id ELSE '' END AS scope,
        jobs.created_at
    FROM inputs
    INNER JOIN jobs ON inputs.job_id = jobs.job_id
),

readers_of_one_producer AS (
    SELECT
        consumed.job_id,
        consumed.type,
        consumed.role,
        consumed.reference,
        consumed.kind,
        made_references.job_id AS producer_job_id,
        made_references.type AS producer_type,
        made_references.role AS producer_role
    FROM consumed
    INNER JOIN made_references
        ON consumed.reference = made_references.reference AND consumed.scope = made_references.scope
    WHERE
        made_references.producers = 1
        AND (
            made_references.created_at < consumed.created_at
            OR (made_references.created_at = consumed.created_at AND made_references.job_id < consumed.job_id)
        )
),

rewritten_references AS (
    SELECT reference
    FROM made_references
    WHERE producers > 1
),

-- What happens to a reference: a producer is created, a producer ends, a reader is created.
moments AS (
    SELECT 'created' AS event, created_at AS moment, job_id, type, role, reference, NULL AS kind, scope, created_at
    FROM produced
    WHERE reference IN (SELECT reference FROM rewritten_references)
    UNION ALL
    SELECT 'ended' AS event, ended_at AS moment, job_id, type, role, reference, NULL AS kind, scope, created_at
    FROM produced
    WHERE ended_at IS NOT NULL AND reference IN (SELECT reference FROM rewritten_references)
    UNION ALL
    SELECT 'read' AS event, created_at AS moment, job_id, type, role, reference, kind, scope, created_at
    FROM consumed
    WHERE reference IN (SELECT reference FROM rewritten_references)
),

-- A job reads before it makes: its own output is not before it.
numbered_moments AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY reference, scope ORDER BY moment, created_at, job_id, event DESC, role DESC
        ) AS nth
    FROM moments
),

readings AS (
    SELECT
        *,
        max(CASE WHEN event = 'ended' THEN nth END) OVER so_far AS newest_end,
        max(CASE WHEN event = 'created' THEN nth END) OVER so_far AS newest_creation
    FROM numbered_moments
    WINDOW so_far AS (PARTITION BY reference, scope ORDER BY nth)
),

readers_of_several_producers AS (
    SELECT
        readings.job_id,
        readings.type,
        readings.role,
        readings.reference,
        readings.kind,
        numbered_moments.job_id AS producer_job_id,
        numbered_moments.type AS producer_type,
        numbered_moments.role AS producer_role
    FROM readings
    INNER JOIN numbered_moments
        ON
            readings.reference = numbered_moments.reference
            AND readings.scope = numbered_moments.scope
            AND coalesce(readings.newest_end, readings.newest_creation) = numbered_moments.nth
    WHERE readings.event = 'read'
)

SELECT
    producer_job_id,
    reference,
    job_id AS consumer_job_id,
    producer_role,
    role AS consumer_role,
    producer_type,
    type AS consumer_type,
    kind
FROM (SELECT * FROM readers_of_one_producer UNION ALL SELECT * FROM readers_of_several_producers) AS readers
