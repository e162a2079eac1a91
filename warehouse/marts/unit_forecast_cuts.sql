-- unit_forecast_cuts: the moments at which it is said what a month will cost.
-- Grain: cut, known by until_day, the first day whose jobs do not count: tomorrow in the forecast of the month of as_of; in
--   the backtests of up to 24 months before it the days after the 7th, 14th and 21st.
-- Counts: full_until_day is the first day that does not count in full (today, of which gone_share is over; the rest of
--   it is to come). history_days are the full days before it, 56 at most, from the ledger's first job on.
-- Leaves out: backtests of the ledger's first two months: the month before them is not whole.
WITH ledger AS (
    SELECT
        max(units_source) AS units_source,
        min(created_day) AS first_day
    FROM unit_forecast_days
),

numbers AS (
    SELECT unnest(all_numbers) AS months_back
    FROM (SELECT numbers_between(0, 24) AS all_numbers) AS lists
),

month_starts AS (
    SELECT
        months_back,
        date_trunc('month', clock.as_of) - months_back * INTERVAL 1 MONTH AS start_at
    FROM clock
    CROSS JOIN numbers
),

months AS (
    SELECT
        months_back,
        month_text(start_at) AS month,
        day_number(start_at - INTERVAL 1 MONTH) AS previous_first_day,
        day_number(start_at) AS first_day,
        day_number(start_at + INTERVAL 1 MONTH) AS next_first_day
    FROM month_starts
),

cuts AS (
    SELECT
        'forecast' AS kind,
        months.*,
        day_number(clock.as_of) + 1 AS until_day,
        day_number(clock.as_of) AS full_until_day,
        (epoch_us(clock.as_of) % 86400000000) / 86400e6 AS gone_share
    FROM months
    CROSS JOIN clock
    WHERE months.months_back = 0
    UNION ALL
    SELECT
        'backtest' AS kind,
        months.*,
        months.first_day + days.counted AS until_day,
        months.first_day + days.counted AS full_until_day,
        0 AS gone_share
    FROM months
    CROSS JOIN (VALUES (7), (14), (21)) AS days(counted)
    CROSS JOIN ledger
    WHERE months.months_back > 0 AND months.previous_first_day > ledger.first_day
)

SELECT
    cuts.*,
    ledger.units_source,
    least(56, cuts.full_until_day - ledger.first_day) AS history_days
FROM cuts
INNER JOIN ledger ON ledger.units_source IS NOT NULL
