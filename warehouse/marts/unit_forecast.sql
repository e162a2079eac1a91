-- unit_forecast: what the current month will have cost, and what the same method would have said of months that are
--   over.
-- Grain: kind ('forecast' or 'backtest'), month of creation (UTC), iTwin ('all' for all together) and day of the
--   month: in a forecast the day of as_of, which is not over; in a backtest the days 7, 14 and 21, whole.
-- Counts: one kind of units: the one that most jobs with units carry of those created in the eight weeks before
--   as_of.
--   units_so_far: of the month's jobs that had ended by the cut (and of open ones that show units already).
--   open_units: for each of the month's jobs that was open at the cut, the mean of the jobs of its type that ended in
--   the eight weeks before, those without units counted as 0.
--   remaining_units: for each day that is left of the month (of today, the part that is left), the mean of the same
--   weekday over the eight weeks before. expected_units is the sum of the three.
--   low_units to high_units hold the month's total with 80 %: 1.2816 standard deviations, where days are independent
--   with the variance of their weekday, and the error of the weekday's mean and the spread of the open jobs are added.
--   Where backtests of six or more cuts in months before missed more, it is as wide as held 80 % of them.
--   A backtest takes units as they are known today, of the jobs that had ended by its cut.
-- Sums are exact, as in units_by_day: units are added up as whole billionths, what is not whole in a fixed order.
-- Leaves out: jobs created after the day of as_of; the other kind of units; iTwins without jobs in those weeks; an expectation
--   with less than a week of history, an interval with less than two; backtests of the ledger's first two months (the
--   month before them is not whole), and of months more than 24 back. No rows before a complete walk, nor where no job
--   has units.
WITH RECURSIVE numbers AS (
    SELECT CAST(0 AS BIGINT) AS n
    UNION ALL
    SELECT n + 1 AS n
    FROM numbers
    WHERE n < 63
),

-- Days are whole days since 1970-01-01 (a Thursday): integers are cheap to compare and to count.
clock_day AS (
    SELECT
        as_of,
        epoch_us(as_of) // 86400000000 AS today,
        (epoch_us(as_of) % 86400000000) / 86400e6 AS today_gone,
        date_trunc('month', as_of) AS this_month
    FROM clock
    WHERE as_of IS NOT NULL
),

-- What lies further back than every backtest and the month before it is not looked at. A job that ended after the day of
-- as_of was open then.
daily AS MATERIALIZED (
    SELECT
        units_by_day.itwin_id,
        coalesce(units_by_day.type, '') AS type,
        epoch_us(units_by_day.created_day) // 86400000000 AS created_day,
        CASE WHEN is_known.yes THEN epoch_us(units_by_day.known_day) // 86400000000 END AS known_day,
        units_by_day.units_source,
        units_by_day.jobs,
        CASE WHEN is_known.yes THEN units_by_day.finished ELSE 0 END AS finished,
        CASE WHEN is_known.yes THEN units_by_day.finished_with_units ELSE 0 END AS with_units,
        CASE WHEN is_known.yes THEN units_by_day.with_units ELSE 0 END AS showing_units,
        CASE WHEN is_known.yes THEN round(units_by_day.units * 1e9) END AS units,
        CASE WHEN is_known.yes THEN round(units_by_day.finished_units * 1e9) END AS finished_units,
        CASE WHEN is_known.yes THEN units_by_day.finished_squares END AS finished_squares
    FROM units_by_day
    CROSS JOIN clock_day
    CROSS JOIN LATERAL (SELECT coalesce(units_by_day.known_day <= clock_day.as_of, FALSE) AS yes) AS is_known
    WHERE
        units_by_day.created_day <= clock_day.as_of
        AND units_by_day.created_day >= clock_day.this_month - INTERVAL 27 MONTH
),

chosen_source AS (
    SELECT daily.units_source
    FROM daily
    CROSS JOIN clock_day
    WHERE daily.showing_units > 0 AND daily.units_source IS NOT NULL
    GROUP BY daily.units_source
    ORDER BY
        sum(daily.showing_units) FILTER (WHERE daily.created_day >= clock_day.today - 56) DESC NULLS LAST,
        max(daily.created_day) DESC,
        daily.units_source DESC
    LIMIT 1
),

days AS MATERIALIZED (
    SELECT
        daily.itwin_id,
        daily.type,
        daily.created_day,
        daily.known_day,
        daily.jobs,
        daily.finished,
        CASE WHEN daily.units_source = chosen_source.units_source THEN daily.with_units ELSE 0 END AS with_units,
        CASE WHEN daily.units_source = chosen_source.units_source THEN daily.units END AS units,
        CASE WHEN daily.units_source = chosen_source.units_source THEN daily.finished_units END AS finished_units,
        CASE WHEN daily.units_source = chosen_source.units_source THEN daily.finished_squares END AS finished_squares
    FROM daily
    CROSS JOIN chosen_source
),

history AS (
    SELECT min(created_day) AS first_day
    FROM days
),

months AS (
    SELECT
        numbers.n AS months_back,
        epoch_us(clock_day.this_month - numbers.n * INTERVAL 1 MONTH) // 86400000000 AS first_day,
        epoch_us(clock_day.this_month - (numbers.n - 1) * INTERVAL 1 MONTH) // 86400000000 AS next_first_day,
        epoch_us(clock_day.this_month - (numbers.n + 1) * INTERVAL 1 MONTH) // 86400000000 AS previous_first_day,
        strftime(clock_day.this_month - numbers.n * INTERVAL 1 MONTH, '%Y-%m') AS month
    FROM numbers
    CROSS JOIN clock_day
    WHERE numbers.n <= 24
),

-- A cut is known by `until`, the first day that is not counted; `whole` is the first day that is not counted in full.
cuts AS MATERIALIZED (
    SELECT
        'forecast' AS kind,
        months.*,
        clock_day.today + 1 AS until,
        clock_day.today AS whole,
        clock_day.today_gone AS gone,
        least(56, clock_day.today - history.first_day) AS history_days
    FROM months
    CROSS JOIN clock_day
    CROSS JOIN history
    WHERE months.months_back = 0
    UNION ALL
    SELECT
        'backtest' AS kind,
        months.*,
        months.first_day + numbers.n AS until,
        months.first_day + numbers.n AS whole,
        0 AS gone,
        least(56, months.first_day + numbers.n - history.first_day) AS history_days
    FROM months
    CROSS JOIN numbers
    CROSS JOIN history
    WHERE months.months_back > 0 AND numbers.n IN (7, 14, 21) AND months.previous_first_day > history.first_day
),

type_days AS (
    SELECT
        type,
        known_day,
        sum(finished) AS finished,
        coalesce(sum(finished_units), 0) AS units,
        coalesce(sum(finished_squares ORDER BY finished_squares), 0) AS squares
    FROM days
    WHERE finished > 0
    GROUP BY type, known_day
),

-- What a job of a type usually costs, as known at each cut: the mean in billionths too, the variance in units.
usual AS MATERIALIZED (
    SELECT
        cuts.until,
        type_days.type,
        round(sum(type_days.units) / sum(type_days.finished)) AS mean_units,
        greatest(
            0,
            sum(type_days.squares ORDER BY type_days.known_day)
            - sum(type_days.units) / 1e9 * (sum(type_days.units) / 1e9) / sum(type_days.finished)
        ) / greatest(1, sum(type_days.finished) - 1) AS variance
    FROM type_days
    INNER JOIN cuts ON type_days.known_day < cuts.until AND type_days.known_day >= cuts.whole - 56
    GROUP BY cuts.until, type_days.type
),

-- The days of creation that each cut looks at: eight weeks back, and back to the start of the month before.
cut_days AS (
    SELECT
        cuts.until,
        cuts.until - 1 - numbers.n AS day
    FROM cuts
    CROSS JOIN numbers
    WHERE cuts.until - 1 - numbers.n >= least(cuts.whole - 56, cuts.previous_first_day)
),

at_cut AS (
    SELECT
        cut_days.until,
        days.itwin_id,
        cut_days.day,
        sum(days.jobs) AS jobs,
        sum(CASE WHEN days.known_day < cut_days.until THEN days.finished ELSE 0 END) AS finished,
        sum(CASE WHEN days.known_day < cut_days.until THEN days.with_units ELSE 0 END) AS with_units,
        sum(CASE WHEN days.known_day < cut_days.until THEN days.units END) AS known_units,
        sum(CASE WHEN coalesce(days.known_day >= cut_days.until, TRUE) THEN days.jobs ELSE 0 END) AS open_jobs,
        sum(CASE WHEN coalesce(days.known_day >= cut_days.until, TRUE) THEN days.jobs * usual.mean_units END)
            AS open_units,
        sum(days.jobs * usual.variance ORDER BY days.jobs * usual.variance)
            FILTER (WHERE coalesce(days.known_day >= cut_days.until, TRUE)) AS open_variance
    FROM cut_days
    INNER JOIN days ON cut_days.day = days.created_day
    LEFT JOIN usual ON cut_days.until = usual.until AND days.type = usual.type
    GROUP BY cut_days.until, days.itwin_id, cut_days.day
),

-- The same for all iTwins together, which have a row for each cut even where there is no job.
scoped AS MATERIALIZED (
    SELECT * FROM at_cut
    UNION ALL
    SELECT
        until,
        'all' AS itwin_id,
        day,
        sum(jobs) AS jobs,
        sum(finished) AS finished,
        sum(with_units) AS with_units,
        sum(known_units) AS known_units,
        sum(open_jobs) AS open_jobs,
        sum(open_units) AS open_units,
        sum(open_variance ORDER BY open_variance) AS open_variance
    FROM at_cut
    GROUP BY until, day
),

so_far AS (
    SELECT
        cuts.until,
        scoped.itwin_id,
        coalesce(sum(scoped.jobs) FILTER (WHERE scoped.day >= cuts.first_day), 0) AS jobs,
        coalesce(sum(scoped.finished) FILTER (WHERE scoped.day >= cuts.first_day), 0) AS finished,
        coalesce(sum(scoped.with_units) FILTER (WHERE scoped.day >= cuts.first_day), 0) AS with_units,
        coalesce(sum(scoped.known_units) FILTER (WHERE scoped.day >= cuts.first_day), 0) AS known_units,
        coalesce(sum(scoped.open_jobs) FILTER (WHERE scoped.day >= cuts.first_day), 0) AS open_jobs,
        coalesce(sum(scoped.open_units) FILTER (WHERE scoped.day >= cuts.first_day), 0) AS open_units,
        coalesce(sum(scoped.open_variance ORDER BY scoped.day) FILTER (WHERE scoped.day >= cuts.first_day), 0)
            AS open_variance,
        coalesce(
            sum(scoped.known_units)
                FILTER (WHERE scoped.day >= cuts.previous_first_day AND scoped.day < cuts.first_day),
            0
        ) AS last_month_units
    FROM scoped
    INNER JOIN cuts ON scoped.until = cuts.until
    GROUP BY cuts.until, scoped.itwin_id
    UNION ALL
    SELECT
        until,
        'all' AS itwin_id,
        0 AS jobs,
        0 AS finished,
        0 AS with_units,
        0 AS known_units,
        0 AS open_jobs,
        0 AS open_units,
        0 AS open_variance,
        0 AS last_month_units
    FROM cuts
    WHERE until NOT IN (SELECT until FROM scoped)
),

-- How often each weekday stood in the eight weeks, and how much of it is left of the month.
weekdays_before AS (
    SELECT
        cuts.until,
        (cuts.whole - numbers.n + 3) % 7 AS weekday,
        count(*) AS times
    FROM cuts
    INNER JOIN numbers ON numbers.n BETWEEN 1 AND cuts.history_days
    GROUP BY cuts.until, (cuts.whole - numbers.n + 3) % 7
),

weekdays_left AS (
    SELECT
        cuts.until,
        (cuts.whole + numbers.n + 3) % 7 AS weekday,
        sum(CASE WHEN numbers.n = 0 THEN 1 - cuts.gone ELSE 1 END) AS days_left
    FROM cuts
    INNER JOIN numbers ON cuts.whole + numbers.n < cuts.next_first_day
    GROUP BY cuts.until, (cuts.whole + numbers.n + 3) % 7
),

day_units AS (
    SELECT
        scoped.until,
        scoped.itwin_id,
        scoped.day,
        (coalesce(scoped.known_units, 0) + coalesce(scoped.open_units, 0)) / 1e9 AS units
    FROM scoped
    INNER JOIN cuts ON scoped.until = cuts.until
    WHERE scoped.day < cuts.whole AND scoped.day >= cuts.whole - cuts.history_days
),

by_weekday AS (
    SELECT
        until,
        itwin_id,
        (day + 3) % 7 AS weekday,
        sum(units ORDER BY day) AS units,
        sum(units * units ORDER BY day) AS squares
    FROM day_units
    GROUP BY until, itwin_id, (day + 3) % 7
),

to_come AS (
    SELECT
        by_weekday.until,
        by_weekday.itwin_id,
        sum(weekdays_left.days_left * by_weekday.units / weekdays_before.times ORDER BY by_weekday.weekday) AS units,
        sum(
            (weekdays_left.days_left + weekdays_left.days_left * weekdays_left.days_left / weekdays_before.times)
            * greatest(0, by_weekday.squares - by_weekday.units * by_weekday.units / weekdays_before.times)
            / nullif(weekdays_before.times - 1, 0)
            ORDER BY by_weekday.weekday
        ) AS variance
    FROM by_weekday
    INNER JOIN weekdays_before
        ON by_weekday.until = weekdays_before.until AND by_weekday.weekday = weekdays_before.weekday
    INNER JOIN weekdays_left
        ON by_weekday.until = weekdays_left.until AND by_weekday.weekday = weekdays_left.weekday
    GROUP BY by_weekday.until, by_weekday.itwin_id
),

month_days AS (
    SELECT
        months.months_back,
        months.first_day + numbers.n AS day
    FROM months
    INNER JOIN numbers ON months.first_day + numbers.n < months.next_first_day
    WHERE months.months_back > 0
),

actual_by_itwin AS (
    SELECT
        month_days.months_back,
        days.itwin_id,
        sum(days.finished) AS finished,
        sum(days.with_units) AS with_units,
        sum(days.units) AS units
    FROM month_days
    INNER JOIN days ON month_days.day = days.created_day
    GROUP BY month_days.months_back, days.itwin_id
),

actual AS (
    SELECT * FROM actual_by_itwin
    UNION ALL
    SELECT
        months_back,
        'all' AS itwin_id,
        sum(finished) AS finished,
        sum(with_units) AS with_units,
        sum(units) AS units
    FROM actual_by_itwin
    GROUP BY months_back
),

expected AS MATERIALIZED (
    SELECT
        so_far.until,
        cuts.months_back,
        cuts.kind,
        cuts.month,
        so_far.itwin_id,
        cuts.whole - cuts.first_day + CASE cuts.kind WHEN 'forecast' THEN 1 ELSE 0 END AS day,
        so_far.jobs,
        so_far.finished,
        so_far.with_units,
        so_far.known_units / 1e9 AS known_units,
        so_far.open_jobs,
        so_far.open_units / 1e9 AS open_units,
        CASE WHEN cuts.history_days >= 7 THEN coalesce(to_come.units, 0) END AS remaining_units,
        CASE
            WHEN cuts.history_days >= 14
                THEN 1.2816 * sqrt(coalesce(to_come.variance, 0) + so_far.open_variance)
        END AS margin,
        so_far.last_month_units / 1e9 AS last_month_units,
        so_far.known_units / 1e9 * (cuts.next_first_day - cuts.first_day)
        / nullif(cuts.whole - cuts.first_day + cuts.gone, 0) AS run_rate_units,
        CASE cuts.kind WHEN 'backtest' THEN coalesce(actual.finished, 0) END AS actual_finished,
        CASE cuts.kind WHEN 'backtest' THEN coalesce(actual.with_units, 0) END AS actual_with_units,
        CASE cuts.kind WHEN 'backtest' THEN coalesce(actual.units, 0) / 1e9 END AS actual_units
    FROM so_far
    INNER JOIN cuts ON so_far.until = cuts.until
    LEFT JOIN to_come ON so_far.until = to_come.until AND so_far.itwin_id IS NOT DISTINCT FROM to_come.itwin_id
    LEFT JOIN actual ON cuts.months_back = actual.months_back AND so_far.itwin_id IS NOT DISTINCT FROM actual.itwin_id
),

-- What the days do not tell (growth, a holiday) shows in how far the backtests of the months before missed.
misses AS (
    SELECT
        itwin_id,
        months_back,
        abs(known_units + open_units + remaining_units - actual_units) / margin AS miss
    FROM expected
    WHERE kind = 'backtest' AND margin > 0
),

widths AS (
    SELECT
        expected.until,
        expected.itwin_id,
        greatest(1, percentile_cont(0.8) WITHIN GROUP (ORDER BY misses.miss)) AS width
    FROM expected
    INNER JOIN misses
        ON expected.itwin_id IS NOT DISTINCT FROM misses.itwin_id AND expected.months_back < misses.months_back
    GROUP BY expected.until, expected.itwin_id
    HAVING count(*) >= 6
),

with_interval AS (
    SELECT
        expected.*,
        expected.known_units + expected.open_units + expected.remaining_units AS expected_units,
        expected.margin * coalesce(widths.width, 1) AS half_width
    FROM expected
    LEFT JOIN widths
        ON expected.until = widths.until AND expected.itwin_id IS NOT DISTINCT FROM widths.itwin_id
),

rounded AS (
    SELECT
        kind,
        month,
        itwin_id,
        day,
        jobs,
        finished,
        with_units,
        round(known_units, 6) AS units_so_far,
        open_jobs,
        round(open_units, 6) AS open_units,
        round(remaining_units, 6) AS remaining_units,
        round(expected_units, 6) AS expected_units,
        round(
            CASE WHEN expected_units - half_width < known_units THEN known_units ELSE expected_units - half_width END, 6
        ) AS low_units,
        round(expected_units + half_width, 6) AS high_units,
        round(last_month_units, 6) AS last_month_units,
        round(run_rate_units, 6) AS run_rate_units,
        actual_finished,
        actual_with_units,
        round(actual_units, 6) AS actual_units
    FROM with_interval
)

SELECT
    rounded.kind,
    rounded.month,
    rounded.itwin_id,
    CAST(rounded.day AS BIGINT) AS day,
    chosen_source.units_source,
    CAST(rounded.jobs AS BIGINT) AS jobs,
    CAST(rounded.finished AS BIGINT) AS finished,
    CAST(rounded.with_units AS BIGINT) AS with_units,
    rounded.units_so_far,
    CAST(rounded.open_jobs AS BIGINT) AS open_jobs,
    rounded.open_units,
    rounded.remaining_units,
    rounded.expected_units,
    rounded.low_units,
    rounded.high_units,
    rounded.last_month_units,
    rounded.run_rate_units,
    CAST(rounded.actual_finished AS BIGINT) AS actual_finished,
    CAST(rounded.actual_with_units AS BIGINT) AS actual_with_units,
    rounded.actual_units,
    round(rounded.expected_units - rounded.actual_units, 6) AS error_units,
    round((rounded.expected_units - rounded.actual_units) / nullif(rounded.actual_units, 0), 6) AS error_share,
    round(rounded.last_month_units - rounded.actual_units, 6) AS last_month_error_units,
    round(rounded.run_rate_units - rounded.actual_units, 6) AS run_rate_error_units,
    rounded.actual_units BETWEEN rounded.low_units AND rounded.high_units AS in_interval
FROM rounded
CROSS JOIN chosen_source
