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
        row_number() OVER (ORDER BY pool NULLS LAST, known NULLS LAST, job_id) AS test,
        CASE WHEN known >= 20 THEN numbers_between(greatest(1, known - 199), known) END AS places
    FROM asked
    WHERE choice = 1
),

tested_places AS (
    SELECT
        test,
        pool,
        actual,
        unnest(places) AS place
    FROM tested_jobs
),

counts AS (
    SELECT
        tested.test,
        count(*) FILTER (WHERE known.actual < tested.actual) AS less,
        count(*) FILTER (WHERE known.actual <= tested.actual) AS not_more
    FROM tested_places AS tested
    INNER JOIN estimates_backtest_moments AS known
        ON known.is_end = 1 AND tested.pool = known.pool AND tested.place = known.known
    GROUP BY tested.test
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
