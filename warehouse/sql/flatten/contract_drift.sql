-- Grain: job type, JSON path, kind and edition.
-- Counts: the jobs whose newest version differs from the contract there. The first and the last job are those by time of
-- creation, then id; `example` is the first one's value.
-- Leaves out: the single fields of a type that is itself unknown; null values, which are no values; what an edition
-- lacks but another one has.
WITH counted_faults AS (
    SELECT * FROM drift_envelope
    UNION ALL
    SELECT * FROM drift_fields
    UNION ALL
    SELECT * FROM drift_values
),

faults AS (
    SELECT
        type,
        folder,
        key,
        kind,
        edition,
        sum(jobs)::BIGINT AS jobs,
        substr(min(first_key), 21) AS first_job_id,
        substr(max(last_key), 21) AS last_job_id
    FROM counted_faults
    GROUP BY type, folder, key, kind, edition
),

first_bodies AS (
    SELECT job_id, body FROM bodies WHERE job_id IN (SELECT first_job_id FROM faults)
)

SELECT
    f.type,
    '$' || CASE f.folder WHEN '' THEN '' ELSE '.' || f.folder END || path_step(f.key) AS path,
    f.kind,
    f.edition,
    f.jobs,
    f.first_job_id,
    f.last_job_id,
    left(json_extract(b.body, pointer(f.folder, f.key))::VARCHAR, 200) AS example
FROM faults AS f
LEFT JOIN first_bodies AS b ON b.job_id = f.first_job_id
