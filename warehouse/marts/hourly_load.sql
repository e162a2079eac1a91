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

hour_parts AS (
    SELECT type, hour, created, started, ended, queued_us, running_us, 0 AS queued, 0 AS running
    FROM changes
    UNION ALL
    SELECT type, full_hour, 0, 0, 0, 0, 0, queued, running
    FROM changes
),

-- An hour in which something changes.
changed_hours AS (
    SELECT
        type,
        hour,
        sum(created) AS created,
        sum(started) AS started,
        sum(ended) AS ended,
        sum(queued_us) AS queued_us,
        sum(running_us) AS running_us,
        sum(sum(queued)) OVER until_hour AS queued_at_start,
        sum(sum(running)) OVER until_hour AS running_at_start,
        lead(hour) OVER (PARTITION BY type ORDER BY hour) AS next_hour
    FROM hour_parts
    GROUP BY type, hour
    WINDOW until_hour AS (PARTITION BY type ORDER BY hour ROWS UNBOUNDED PRECEDING)
),

-- What there is at its start goes on until the next one.
stretches AS (
    SELECT
        changed_hours.*,
        numbers_between(
            greatest(changed_hours.hour, bounds.first_hour),
            CASE
                WHEN changed_hours.queued_at_start = 0 AND changed_hours.running_at_start = 0
                    THEN least(changed_hours.hour, bounds.last_hour)
                ELSE least(changed_hours.next_hour - 1, bounds.last_hour)
            END
        ) AS all_hours
    FROM changed_hours
    CROSS JOIN bounds
),

stretch_hours AS (
    SELECT
        stretches.*,
        unnest(all_hours) AS each_hour
    FROM stretches
),

hours AS (
    SELECT
        each_hour AS hour,
        type,
        CASE WHEN each_hour = hour THEN created ELSE 0 END AS created,
        CASE WHEN each_hour = hour THEN started ELSE 0 END AS started,
        CASE WHEN each_hour = hour THEN ended ELSE 0 END AS ended,
        queued_at_start * 3600000000 + CASE WHEN each_hour = hour THEN queued_us ELSE 0 END AS queued_us,
        running_at_start * 3600000000 + CASE WHEN each_hour = hour THEN running_us ELSE 0 END AS running_us,
        queued_at_start,
        running_at_start
    FROM stretch_hours
)

SELECT
    hour_start(hour) AS hour,
    type,
    CAST(created AS BIGINT) AS created,
    CAST(started AS BIGINT) AS started,
    CAST(ended AS BIGINT) AS ended,
    CAST(queued_us AS BIGINT) / 1e6 AS queued_seconds,
    CAST(running_us AS BIGINT) / 1e6 AS running_seconds,
    CAST(queued_at_start AS BIGINT) AS queued_at_start,
    CAST(running_at_start AS BIGINT) AS running_at_start
FROM hours
WHERE created <> 0 OR started <> 0 OR ended <> 0 OR queued_us <> 0 OR running_us <> 0
