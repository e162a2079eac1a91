-- hourly_load: how many jobs came, started and ended in each UTC hour, and how many waited and ran.
-- Grain: UTC hour and type; only rows in which something is not zero.
-- Counts: a job waits from its creation to its start (or to its end, if it never started) and runs from its start to
--   its end, half-open. A job that still waits or runs does so until as_of, or until vanished_at where it vanished
--   while open. Each hour holds the part of the wait and run that lies in it, so the hours of a job sum to its
--   durations, exactly: microseconds are summed as integers and become seconds at the end.
-- Leaves out: the wait or run whose end is not known (a terminal state without ended_at; open jobs before there is an
--   as_of), and one that would end before it began. Ends that are known are never clipped, even behind as_of.
-- How: nothing is made per job and hour. A span adds to its hours what a full hour has, for each full hour's start it
--   covers; the hour it begins in gets the rest of that hour added, the hour it ends in gets the rest taken away.
WITH stays AS (
    SELECT
        jobs.type,
        epoch_us(jobs.created_at) AS created_us,
        epoch_us(jobs.started_at) AS started_us,
        jobs.ended_at IS NOT NULL AS is_ended,
        epoch_us(
            coalesce(
                jobs.ended_at,
                CASE WHEN jobs.outcome = 'open' THEN coalesce(jobs.vanished_at, clock.as_of) END
            )
        ) AS until_us
    FROM jobs
    CROSS JOIN clock
),

spans AS (
    SELECT
        type,
        created_us,
        started_us,
        until_us,
        CASE WHEN is_ended THEN 1 ELSE 0 END AS ends,
        CASE WHEN coalesce(started_us, until_us) > created_us THEN 1 ELSE 0 END AS waits,
        CASE WHEN until_us > started_us THEN 1 ELSE 0 END AS runs
    FROM stays
),

-- The instants at which something changes: +1 where a wait or run begins, -1 where it ends.
points AS (
    SELECT type, created_us AS at_us, 1 AS created, 0 AS started, 0 AS ended, waits AS queued, 0 AS running
    FROM spans
    UNION ALL
    SELECT type, started_us, 0, 1, 0, -waits, runs
    FROM spans
    WHERE started_us IS NOT NULL
    UNION ALL
    SELECT type, until_us, 0, 0, ends, CASE WHEN started_us IS NULL THEN -waits ELSE 0 END, -runs
    FROM spans
    WHERE until_us IS NOT NULL
),

-- The epoch's hours are UTC hours. `rest_us` is what is left of the hour, 0 on its border.
placed AS (
    SELECT
        points.*,
        CAST(floor(at_us / 3600000000e0) AS BIGINT) AS hour
    FROM points
),

measured AS (
    SELECT
        placed.*,
        CASE WHEN at_us = hour * 3600000000 THEN 0 ELSE (hour + 1) * 3600000000 - at_us END AS rest_us
    FROM placed
),

by_hour AS (
    SELECT
        type,
        hour,
        sum(created) AS created,
        sum(started) AS started,
        sum(ended) AS ended,
        sum(queued * rest_us) AS queued_us,
        sum(running * rest_us) AS running_us,
        sum(queued) FILTER (WHERE rest_us = 0) AS queued_on_border,
        sum(running) FILTER (WHERE rest_us = 0) AS running_on_border,
        sum(queued) FILTER (WHERE rest_us > 0) AS queued_within,
        sum(running) FILTER (WHERE rest_us > 0) AS running_within
    FROM measured
    GROUP BY type, hour
),

-- What begins on an hour's border is there at its start, what begins within it at the start of the next.
changes AS (
    SELECT
        type,
        hour,
        created,
        started,
        ended,
        queued_us,
        running_us,
        coalesce(queued_on_border, 0) AS queued_change,
        coalesce(running_on_border, 0) AS running_change
    FROM by_hour
    UNION ALL
    SELECT type, hour + 1, 0, 0, 0, 0, 0, coalesce(queued_within, 0), coalesce(running_within, 0)
    FROM by_hour
    WHERE queued_within <> 0 OR running_within <> 0
),

merged AS (
    SELECT
        type,
        hour,
        sum(created) AS created,
        sum(started) AS started,
        sum(ended) AS ended,
        sum(queued_us) AS queued_us,
        sum(running_us) AS running_us,
        sum(queued_change) AS queued_change,
        sum(running_change) AS running_change
    FROM changes
    GROUP BY type, hour
),

levels AS (
    SELECT
        type,
        hour,
        created,
        started,
        ended,
        queued_us,
        running_us,
        sum(queued_change) OVER (PARTITION BY type ORDER BY hour ROWS UNBOUNDED PRECEDING) AS queued_at_start,
        sum(running_change) OVER (PARTITION BY type ORDER BY hour ROWS UNBOUNDED PRECEDING) AS running_at_start,
        lead(hour) OVER (PARTITION BY type ORDER BY hour) - hour AS next_in
    FROM merged
),

-- 0, 1, 2 ... up to the longest stretch without a change: a tree in which n has the children 2n and 2n + 1.
bound AS (
    SELECT max(next_in) AS longest
    FROM levels
    WHERE queued_at_start <> 0 OR running_at_start <> 0
),

tree AS (
    WITH RECURSIVE numbers AS (
        SELECT CAST(1 AS BIGINT) AS n
        UNION ALL
        SELECT 2 * numbers.n + side.bit
        FROM numbers
        CROSS JOIN (VALUES (0), (1)) AS side(bit)
        CROSS JOIN bound
        WHERE 2 * numbers.n + side.bit < bound.longest
    )

    SELECT n
    FROM numbers
),

-- The hours between two changes, in which what was there at their start goes on.
filled AS (
    SELECT
        type,
        hour,
        created,
        started,
        ended,
        queued_us + queued_at_start * 3600000000 AS queued_us,
        running_us + running_at_start * 3600000000 AS running_us,
        queued_at_start,
        running_at_start
    FROM levels
    UNION ALL
    SELECT
        levels.type,
        levels.hour + tree.n,
        0,
        0,
        0,
        levels.queued_at_start * 3600000000,
        levels.running_at_start * 3600000000,
        levels.queued_at_start,
        levels.running_at_start
    FROM levels
    INNER JOIN tree ON tree.n < levels.next_in
    WHERE levels.queued_at_start <> 0 OR levels.running_at_start <> 0
)

SELECT
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + hour * INTERVAL '1 hour' AS hour,
    type,
    CAST(created AS BIGINT) AS created,
    CAST(started AS BIGINT) AS started,
    CAST(ended AS BIGINT) AS ended,
    CAST(queued_us AS BIGINT) / 1e6 AS queued_seconds,
    CAST(running_us AS BIGINT) / 1e6 AS running_seconds,
    CAST(queued_at_start AS BIGINT) AS queued_at_start,
    CAST(running_at_start AS BIGINT) AS running_at_start
FROM filled
WHERE created <> 0 OR started <> 0 OR ended <> 0 OR queued_us <> 0 OR running_us <> 0
