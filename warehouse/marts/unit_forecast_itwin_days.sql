-- unit_forecast_itwin_days: what was known at each cut of the jobs that an iTwin created on a day, and what those of them that
-- were open should cost.
-- Grain: cut (until_day), iTwin ('all' for all together) and day of creation, of the eight weeks before the cut and
--   back to the start of the month before. 'all' has an empty row of the day
--   behind it, too: so it has rows where there is no job.
-- Counts: open_units are, for each open job, the mean of the jobs of its type that ended in the eight weeks before the
--   cut, those without units counted as 0; open_variance is of one job each. Units are whole billionths, the variance is
--   in units. What is not whole is added up in a fixed order, so that it is the same in whatever order rows are read.
WITH ended_type_days AS (
    SELECT
        type,
        known_day,
        sum(finished) AS finished,
        coalesce(sum(finished_units), 0) AS units,
        coalesce(sum(finished_squares ORDER BY finished_squares), 0) AS squares
    FROM unit_forecast_days
    WHERE finished > 0
    GROUP BY type, known_day
),

ended_types AS (
    SELECT
        cuts.until_day,
        days.type,
        sum(days.finished) AS jobs,
        sum(days.units) AS units,
        sum(days.squares ORDER BY days.known_day) AS squares
    FROM ended_type_days AS days
    INNER JOIN unit_forecast_cuts AS cuts
        ON days.known_day < cuts.until_day AND days.known_day >= cuts.full_until_day - 56
    GROUP BY cuts.until_day, days.type
),

usual_jobs AS (
    SELECT
        until_day,
        type,
        round(CAST(units AS DOUBLE) / jobs) AS units,
        greatest(0, squares - units_of(units) * units_of(units) / jobs) / greatest(1, jobs - 1) AS variance
    FROM ended_types
),

cut_spans AS (
    SELECT
        until_day,
        numbers_between(least(full_until_day - 56, previous_first_day), until_day - 1) AS days
    FROM unit_forecast_cuts
),

cut_days AS (
    SELECT
        until_day,
        unnest(days) AS day
    FROM cut_spans
),

known_days AS (
    SELECT
        cut_days.until_day,
        days.itwin_id,
        cut_days.day,
        days.type,
        days.jobs,
        CASE WHEN days.known_day < cut_days.until_day THEN days.finished ELSE 0 END AS finished,
        CASE WHEN days.known_day < cut_days.until_day THEN days.with_units ELSE 0 END AS with_units,
        CASE WHEN days.known_day < cut_days.until_day THEN days.units END AS known_units,
        CASE WHEN days.known_day < cut_days.until_day THEN 0 ELSE days.jobs END AS open_jobs
    FROM cut_days
    INNER JOIN unit_forecast_days AS days ON cut_days.day = days.created_day
),

itwin_days AS (
    SELECT
        known_days.until_day,
        known_days.itwin_id,
        known_days.day,
        sum(known_days.jobs) AS jobs,
        sum(known_days.finished) AS finished,
        sum(known_days.with_units) AS with_units,
        sum(known_days.known_units) AS known_units,
        sum(known_days.open_jobs) AS open_jobs,
        sum(known_days.open_jobs * usual_jobs.units) AS open_units,
        sum(known_days.open_jobs * usual_jobs.variance ORDER BY known_days.open_jobs * usual_jobs.variance)
            FILTER (WHERE known_days.open_jobs > 0) AS open_variance
    FROM known_days
    LEFT JOIN usual_jobs ON known_days.until_day = usual_jobs.until_day AND known_days.type = usual_jobs.type
    GROUP BY known_days.until_day, known_days.itwin_id, known_days.day
)

SELECT * FROM itwin_days
UNION ALL
SELECT
    until_day,
    'all' AS itwin_id,
    day,
    sum(jobs) AS jobs,
    sum(finished) AS finished,
    sum(with_units) AS with_units,
    sum(known_units) AS known_units,
    sum(open_jobs) AS open_jobs,
    sum(open_units) AS open_units,
    sum(open_variance ORDER BY open_variance) FILTER (WHERE open_jobs > 0) AS open_variance
FROM itwin_days
GROUP BY until_day, day
UNION ALL
SELECT
    until_day,
    'all' AS itwin_id,
    until_day AS day,
    0 AS jobs,
    0 AS finished,
    0 AS with_units,
    0 AS known_units,
    0 AS open_jobs,
    0 AS open_units,
    0 AS open_variance
FROM unit_forecast_cuts
