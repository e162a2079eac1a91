-- units_by_day: what the jobs created on a day tell of their units, by the day from which on it was known.
-- Grain: UTC day of creation, iTwin, type, day of knowledge and kind of units. Groups do not overlap.
-- Counts: every job once with its newest units, vanished ones too. What a job costs is known from the end of the day on
--   which it ended; from that of its creation where the end is not known, or where it is open and shows units already.
-- Leaves out: nothing. An open job without units has no day of knowledge.
WITH accounts AS (
    SELECT
        itwin_id,
        type,
        day_number(created_at) AS created_day,
        CASE
            WHEN ended_at IS NOT NULL THEN day_number(ended_at)
            WHEN outcome <> 'open' OR units IS NOT NULL THEN day_number(created_at)
        END AS known_day,
        outcome <> 'open' AS is_finished,
        billionths(units) AS amount,
        units_source
    FROM jobs
)

SELECT
    day_start(created_day) AS created_day,
    itwin_id,
    type,
    day_start(known_day) AS known_day,
    units_source,
    count(*) AS jobs,
    count(*) FILTER (WHERE is_finished) AS finished,
    count(amount) AS with_units,
    count(amount) FILTER (WHERE is_finished) AS finished_with_units,
    units_of(sum(amount)) AS units,
    units_of(sum(amount) FILTER (WHERE is_finished)) AS finished_units,
    -- Squares of billionths are too large to be added up as whole numbers: here the order makes the sum the same.
    sum(units_of(amount) * units_of(amount) ORDER BY amount) FILTER (WHERE is_finished) AS finished_squares
FROM accounts
GROUP BY accounts.created_day, accounts.itwin_id, accounts.type, accounts.known_day, accounts.units_source
