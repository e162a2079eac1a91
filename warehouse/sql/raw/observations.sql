-- Grain: row of `observations` of the month, its time on the API's clock.
-- A version was seen before the walk that saw it ended. What came after a version of a clock that was ahead was written as later
-- than that one, and is put back too. Rows that would now be of one time follow each other by a microsecond, in the order in
-- which they were written.
WITH mended AS (
    SELECT
        o.*,
        least(
            o.observed_at + to_microseconds(CAST(round(coalesce(m.shift_seconds, 0) * 1e6) AS BIGINT)),
            coalesce(m.finished_at, o.observed_at)
        ) AS seen_at
    FROM observations AS o
    LEFT JOIN mended_walks AS m ON m.walk_id = o.walk_id
)

SELECT
    * EXCLUDE (observed_at, seen_at),
    seen_at + to_microseconds(row_number() OVER (PARTITION BY job_id, seen_at ORDER BY observed_at) - 1) AS observed_at
FROM mended
