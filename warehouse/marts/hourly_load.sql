-- hourly_load: How many jobs came, started and ended in each UTC hour, and how many waited and ran. A job waits from
--   its creation to its start (or to its end, if it never started) and runs from its start to its end; one that is open
--   does so until as_of, or until vanished_at where it vanished. Each hour holds the part of a wait or run that lies in
--   it, so the hours of a job sum to its durations, to the microsecond. Ends that are known count as they are, behind
--   as_of too. Leaves out waits and runs whose end is not known, or that would end before they began; hours more than a
--   day after as_of and the newest observation, and more than ten years before that observation. One row per UTC hour
--   and type in which something is not zero. Key: hour, type.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
-- How: nothing is made per job and hour. Where a wait begins, one more job waits at the start of the next full hour,
--   and the rest of the hour until then is added to what jobs waited in it; where it ends, both are taken away.
--   Microseconds are summed as integers and become seconds at the end.
WITH bounds AS (
    SELECT
        hour_number(max(jobs.changed_at)) - 10 * 366 * 24 AS first_hour,
        hour_number(greatest(max(jobs.changed_at), max(clock.as_of))) + 24 AS last_hour
    FROM jobs
    CROSS JOIN clock
),

jobs_until AS (
    SELECT
        jobs.type,
        jobs.created_at,
        jobs.started_at,
        jobs.ended_at,
        coalesce(jobs.ended_at, CASE WHEN jobs.outcome = 'open' THEN coalesce(jobs.vanished_at, clock.as_of) END)
            AS until_at
    FROM jobs
    CROSS JOIN clock
),

stays AS (
    SELECT
        jobs_until.*,
        CASE WHEN coalesce(started_at, until_at) > created_at THEN 1 ELSE 0 END AS waits,
        CASE WHEN until_at > started_at THEN 1 ELSE 0 END AS runs
    FROM jobs_until
),

-- What changes when: +1 where a wait or run begins, -1 where it ends.
moments AS (
    SELECT type, created_at AS moment, 1 AS created, 0 AS started, 0 AS ended, waits AS queued, 0 AS running
    FROM stays
    UNION ALL
    SELECT type, started_at, 0, 1, 0, -waits, runs
    FROM stays
    WHERE started_at IS NOT NULL
    UNION ALL
    SELECT
        type,
        until_at,
        0,
        0,
        CASE WHEN ended_at IS NULL THEN 0 ELSE 1 END,
        CASE WHEN started_at IS NULL THEN -waits ELSE 0 END,
        -runs
    FROM stays
    WHERE until_at IS NOT NULL
),

-- On the border of an hour, the next full hour is the one that begins there.
placed AS (
    SELECT
        moments.*,
        hour_number(moment) AS hour,
        CAST(ceil(epoch_us(moment) / 3600000000e0) AS BIGINT) AS full_hour
    FROM moments
),

changes AS (
    SELECT
        type,
        hour,
        full_hour,
        sum(created) AS created,
        sum(started) AS started,
        sum(ended) AS ended,
        sum(queued) AS queued,
        sum(running) AS running,
        sum(queued * (full_hour * 3600000000 - epoch_us(moment))) AS queued_us,
        sum(running * (full_hour * 3600000000 - epoch_us(moment))) AS running_us
    FROM placed
    GROUP BY type, hour, full_hour
),

types AS (
    SELECT
        type,
        min(hour) AS first_hour,
        max(hour) AS last_hour
    FROM changes
    GROUP BY type
),

-- Every hour that a type may have a row of: in between two changes, what there was goes on.
type_hours AS (
    SELECT
        types.type,
        unnest(
            numbers_between(
                greatest(types.first_hour, bounds.first_hour),
                least(types.last_hour, bounds.last_hour)
            )
        ) AS hour
    FROM types
    CROSS JOIN bounds
),

parts AS (
    SELECT type, hour, created, started, ended, queued_us, running_us, 0 AS queued, 0 AS running
    FROM changes
    UNION ALL
    SELECT type, full_hour, 0, 0, 0, 0, 0, queued, running
    FROM changes
    UNION ALL
    SELECT type, hour, 0, 0, 0, 0, 0, 0, 0
    FROM type_hours
),

hours AS (
    SELECT
        type,
        hour,
        sum(created) AS created,
        sum(started) AS started,
        sum(ended) AS ended,
        sum(queued_us) AS queued_us,
        sum(running_us) AS running_us,
        sum(sum(queued)) OVER until_hour AS queued_at_start,
        sum(sum(running)) OVER until_hour AS running_at_start
    FROM parts
    GROUP BY type, hour
    WINDOW until_hour AS (PARTITION BY type ORDER BY hour ROWS UNBOUNDED PRECEDING)
)

SELECT
    hour_start(hours.hour) AS hour,
    hours.type,
    CAST(hours.created AS BIGINT) AS created,
    CAST(hours.started AS BIGINT) AS started,
    CAST(hours.ended AS BIGINT) AS ended,
    CAST(hours.queued_us + hours.queued_at_start * 3600000000 AS BIGINT) / 1e6 AS queued_seconds,
    CAST(hours.running_us + hours.running_at_start * 3600000000 AS BIGINT) / 1e6 AS running_seconds,
    CAST(hours.queued_at_start AS BIGINT) AS queued_at_start,
    CAST(hours.running_at_start AS BIGINT) AS running_at_start
FROM hours
INNER JOIN bounds ON hours.hour BETWEEN bounds.first_hour AND bounds.last_hour
WHERE
    hours.created <> 0
    OR hours.started <> 0
    OR hours.ended <> 0
    OR hours.queued_us + hours.queued_at_start * 3600000000 <> 0
    OR hours.running_us + hours.running_at_start * 3600000000 <> 0
