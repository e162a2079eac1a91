-- failures: Why jobs failed, in the API's error codes, and what they had cost, in units of one kind. A job with several
--   codes counts under each of them, so rows must not be added up. The twelve codes of most jobs. One row per code.
WITH failed_jobs AS (
    SELECT
        job_id,
        type,
        run_seconds,
        TRY_CAST(CASE WHEN units_source = $kind THEN units END AS DECIMAL(24, 6)) AS units,
        coalesce(ended_at, created_at) AS seen_at
    FROM jobs
    WHERE
        outcome = 'failed'
        AND created_month BETWEEN $first AND $last
        AND itwin_id IS NOT DISTINCT FROM coalesce($itwin, itwin_id)
),

errors AS (
    SELECT
        job_id,
        code,
        message,
        row_number() OVER (PARTITION BY job_id, code ORDER BY ordinal) AS nth
    FROM job_messages
    WHERE severity = 'error'
),

cases AS (
    SELECT
        failed_jobs.*,
        errors.code,
        errors.message,
        row_number() OVER (PARTITION BY errors.code ORDER BY failed_jobs.seen_at DESC, failed_jobs.job_id) AS newest
    FROM failed_jobs
    LEFT JOIN errors ON errors.job_id = failed_jobs.job_id AND errors.nth = 1
)

SELECT
    coalesce(code, 'no reason told') AS reason,
    count(*) AS jobs,
    CAST(coalesce(sum(units), 0) AS DOUBLE) AS units,
    round(CAST(coalesce(sum(TRY_CAST(run_seconds AS DECIMAL(24, 6))), 0) AS DOUBLE) / 3600, 3) AS run_hours,
    mode(type ORDER BY type) AS most_often_type,
    max(seen_at) AS last_seen_at,
    max(message) FILTER (WHERE newest = 1) AS newest_message
FROM cases
GROUP BY code
ORDER BY jobs DESC, reason
LIMIT 12
