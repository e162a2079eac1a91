-- unit_forecast_to_come: what the days that are to come of a month should cost, as seen from a cut.
-- Grain: cut (until_day) and iTwin ('all' for all together) with a job in the eight weeks before.
-- Counts: for each day that is to come (of a day that is not over, the part that is left), the mean of the same weekday
--   over the eight weeks before. Days are independent, with the variance of their weekday, to which the error of its mean
--   is added; weekdays that were once alone have none. Units, and units squared. A variance of a few days is not well known:
--   squares_by_freedom add up each weekday's, squared, over its degrees of freedom, as Welch and Satterthwaite do.
WITH cut_spans AS (
    SELECT
        until_day,
        full_until_day,
        gone_share,
        numbers_between(full_until_day - history_days, full_until_day - 1) AS history,
        numbers_between(full_until_day, next_first_day - 1) AS days_left
    FROM unit_forecast_cuts
),

-- How often each weekday (0 is a Monday) was in the history of a cut, and how much of it is to come.
days_before AS (
    SELECT
        until_day,
        unnest(history) AS day
    FROM cut_spans
),

weekdays_before AS (
    SELECT
        until_day,
        (day + 3) % 7 AS weekday,
        count(*) AS times
    FROM days_before
    GROUP BY until_day, (day + 3) % 7
),

days_to_come AS (
    SELECT
        until_day,
        full_until_day,
        gone_share,
        unnest(days_left) AS day
    FROM cut_spans
),

weekdays_to_come AS (
    SELECT
        until_day,
        (day + 3) % 7 AS weekday,
        sum(CASE WHEN day = full_until_day THEN 1 - gone_share ELSE 1 END) AS days
    FROM days_to_come
    GROUP BY until_day, (day + 3) % 7
),

spent_days AS (
    SELECT
        itwin_days.until_day,
        itwin_days.itwin_id,
        itwin_days.day,
        units_of(coalesce(itwin_days.known_units, 0) + coalesce(itwin_days.open_units, 0)) AS units
    FROM unit_forecast_itwin_days AS itwin_days
    INNER JOIN unit_forecast_cuts AS cuts
        ON
            itwin_days.until_day = cuts.until_day
            AND itwin_days.day BETWEEN cuts.full_until_day - cuts.history_days AND cuts.full_until_day - 1
),

spent_weekdays AS (
    SELECT
        until_day,
        itwin_id,
        (day + 3) % 7 AS weekday,
        sum(units ORDER BY day) AS units,
        sum(units * units ORDER BY day) AS squares
    FROM spent_days
    GROUP BY until_day, itwin_id, (day + 3) % 7
),

usual_weekdays AS (
    SELECT
        spent.until_day,
        spent.itwin_id,
        spent.weekday,
        to_come.days * spent.units / before.times AS units,
        (to_come.days + to_come.days * to_come.days / before.times)
        * greatest(0, spent.squares - spent.units * spent.units / before.times)
        / nullif(before.times - 1, 0) AS variance,
        before.times - 1 AS freedom
    FROM spent_weekdays AS spent
    INNER JOIN weekdays_before AS before ON spent.until_day = before.until_day AND spent.weekday = before.weekday
    INNER JOIN weekdays_to_come AS to_come ON spent.until_day = to_come.until_day AND spent.weekday = to_come.weekday
)

SELECT
    until_day,
    itwin_id,
    sum(units ORDER BY weekday) AS units,
    sum(variance ORDER BY weekday) AS variance,
    sum(variance * variance / nullif(freedom, 0) ORDER BY weekday) AS squares_by_freedom
FROM usual_weekdays
GROUP BY until_day, itwin_id
