-- units_by_day: what the jobs created on a day tell of their units, by the day from which on it was known.
-- Grain: UTC day of creation, iTwin, type, day of knowledge and kind of units. Groups do not overlap.
-- Counts: every job once with its newest units, vanished ones too. What a job costs is known from the end of the day on
--   which it ended; from that of its creation where the end is not known, or where it is open and shows units already.
-- Leaves out: nothing. An open job without units has no day of knowledge.
-- Sums are exact, so that the same jobs give the same digits in whatever order they are read: units are added up as
--   whole billionths (doubles hold 9 million units of them), and what is not whole is added up in a fixed order.
WITH told AS (
    SELECT
        itwin_id,
        type,
        epoch_us(created_at) // 86400000000 AS created_day,
        CASE
            WHEN ended_at IS NOT NULL THEN epoch_us(ended_at) // 86400000000
            WHEN outcome <> 'open' OR units IS NOT NULL THEN epoch_us(created_at) // 86400000000
        END AS known_day,
        outcome <> 'open' AS is_finished,
        round(units * 1e9) AS billionths,
        units_source
    FROM jobs
)

SELECT
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + created_day * INTERVAL '1 day' AS created_day,
    itwin_id,
    type,
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + known_day * INTERVAL '1 day' AS known_day,
    units_source,
    count(*) AS jobs,
    count(*) FILTER (WHERE is_finished) AS finished,
    count(billionths) AS with_units,
    count(billionths) FILTER (WHERE is_finished) AS finished_with_units,
    sum(billionths) / 1e9 AS units,
    sum(billionths) FILTER (WHERE is_finished) / 1e9 AS finished_units,
    sum(billionths / 1e9 * (billionths / 1e9) ORDER BY billionths) FILTER (WHERE is_finished) AS finished_squares
FROM told
GROUP BY told.created_day, told.itwin_id, told.type, told.known_day, told.units_source
