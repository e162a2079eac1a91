-- standing: What time alone may change so that somebody should look: which jobs are stuck, and which months have a newest
--   walk with gaps. One row per such job and month.
SELECT
    'stuck' AS kind,
    job_id AS id
FROM open_jobs
WHERE is_stuck

UNION ALL

SELECT
    'gap' AS kind,
    concat_ws(' ', strftime(created_from, '%Y-%m'), itwin_id, error) AS id
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY created_from, itwin_id, identity ORDER BY finished_at DESC NULLS LAST, walk_id
        ) AS nth
    FROM walks
)
WHERE nth = 1 AND NOT complete

ORDER BY kind, id
