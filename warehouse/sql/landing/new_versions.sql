-- Grain: version of a job that the ledger does not have yet: a row of `observations`.
-- Counts: each record whose body differs from the one before it, the ledger's last row coming first; a job that was gone and is
-- back, even unchanged. Times grow strictly within a job, so that the newest version is always the one that came last.
WITH differing AS (  -- most jobs of most walks are as the ledger has them: these are not put in order
    SELECT DISTINCT c.job_id
    FROM classified AS c
    ANTI JOIN last_versions AS k ON k.job_id = c.job_id AND k.body_hash = c.body_hash
    WHERE c.reason IS NULL
),

compared AS (
    SELECT
        c.*,
        l.last_observed_at,
        coalesce(
            lag(c.body_hash) OVER (PARTITION BY c.job_id ORDER BY c.observed_at, c.page, c.ordinal),
            CASE WHEN l.http_status = 200 THEN l.body_hash END
        ) AS hash_before
    FROM classified AS c
    INNER JOIN differing AS d ON d.job_id = c.job_id
    LEFT JOIN last_kept AS l ON l.job_id = c.job_id
    WHERE c.reason IS NULL
),

changed AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY job_id ORDER BY observed_at, page, ordinal) AS version
    FROM compared
    WHERE body_hash IS DISTINCT FROM hash_before
)

SELECT
    job_id,
    itwin_id,
    created_at,
    greatest(
        make_timestamptz(epoch_us(observed_at) + version - 1),
        make_timestamptz(epoch_us(last_observed_at) + version)
    ) AS observed_at,
    200 AS http_status,
    source,
    walk_id,
    body_hash,
    file,
    line
FROM changed
