-- estimates_backtest_tested: each tested job, beside what would have been told of it when it was created.
-- Grain: tested job and measure.
-- Counts: of the 200 jobs of the pool that had ended last before it was created, those that took less, and those that took
--   as much or less. The pool is that of its iTwin; where fewer than 20 had ended there, that of its type.
-- Leaves out: nothing; known is below 20 where neither pool tells.
WITH asked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY job_id, measure ORDER BY CASE WHEN known >= 20 THEN 0 ELSE 1 END NULLS LAST, is_all NULLS LAST
        ) AS choice
    FROM estimates_backtest_moments
    WHERE is_end = 0
),

tested_jobs AS (
    SELECT
        job_id,
        type,
        measure,
        pool,
        is_all,
        known,
        actual,
        row_number() OVER (ORDER BY pool NULLS LAST, known NULLS LAST, job_id) AS test
    FROM asked
    WHERE choice = 1
),

like_places AS (
    SELECT
        tested_jobs.test,
        tested_jobs.pool,
        tested_jobs.actual,
        tested_jobs.known - places.place AS known
    FROM tested_jobs
    CROSS JOIN estimates_backtest_places AS places
    WHERE tested_jobs.known >= 20
),

counts AS (
    SELECT
        like_places.test,
        count(*) FILTER (WHERE like_jobs.actual < like_places.actual) AS less,
        count(*) FILTER (WHERE like_jobs.actual <= like_places.actual) AS not_more
    FROM like_places
    INNER JOIN estimates_backtest_moments AS like_jobs
        ON like_jobs.is_end = 1 AND like_places.pool = like_jobs.pool AND like_places.known = like_jobs.known
    GROUP BY like_places.test
)

SELECT
    tested_jobs.job_id,
    tested_jobs.type,
    tested_jobs.measure,
    NOT tested_jobs.is_all AS of_itwin,
    least(200, tested_jobs.known) AS known,
    counts.less,
    counts.not_more
FROM tested_jobs
LEFT JOIN counts ON tested_jobs.test = counts.test
