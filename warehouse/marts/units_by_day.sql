-- units_by_day: What the jobs created on a day tell of their units, by the day from whose end on it was known: what
--   unit_forecast is made from. Every job counts once with its newest units, vanished ones too. Estimates and
--   consumption stand apart. Groups do not overlap. Leaves out nothing. One row per day of creation, iTwin, type, day
--   of knowledge and kind of units. Key: created_day, itwin_id, type, known_day, units_source.
-- (From the declaration; written by: python -m tests.docs_ledger --write)
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
