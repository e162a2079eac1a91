-- unit_forecast_days: what is known, on the day of as_of, of the units of a group of jobs.
-- Grain: iTwin, type ('' for none), day of creation, day from which on it is known, and kind of units in units_by_day.
-- Counts: one kind of units (units_source): the one that most jobs with units carry of those created in the eight weeks
--   before as_of. Jobs that ended after the day of as_of were open then. Units are whole billionths, days are numbers.
-- Leaves out: jobs created after the day of as_of, or further back than every backtest and the month before it. No rows
--   before a complete walk, nor where no job has units.
WITH job_groups AS (
    SELECT
        units_by_day.itwin_id,
        coalesce(units_by_day.type, '') AS type,
        day_number(units_by_day.created_day) AS created_day,
        CASE WHEN units_by_day.known_day <= clock.as_of THEN day_number(units_by_day.known_day) END AS known_day,
        units_by_day.units_source,
        units_by_day.jobs,
        units_by_day.finished,
        units_by_day.with_units,
        units_by_day.finished_with_units,
        units_by_day.units,
        units_by_day.finished_units,
        units_by_day.finished_squares,
        day_number(clock.as_of) - 56 AS recent_day
    FROM units_by_day
    INNER JOIN clock
        ON
            units_by_day.created_day <= clock.as_of
            AND units_by_day.created_day >= date_trunc('month', clock.as_of) - INTERVAL 27 MONTH
),

-- The kind of units that is counted: one row, or none.
counted_units AS (
    SELECT units_source
    FROM job_groups
    WHERE known_day IS NOT NULL AND with_units > 0 AND units_source IS NOT NULL
    GROUP BY units_source
    ORDER BY
        sum(with_units) FILTER (WHERE created_day >= recent_day) DESC NULLS LAST,
        max(created_day) DESC,
        units_source DESC
    LIMIT 1
),

counted_groups AS (
    SELECT
        job_groups.*,
        counted_units.units_source AS counted_source,
        coalesce(
            job_groups.known_day IS NOT NULL AND job_groups.units_source = counted_units.units_source, FALSE
        ) AS has_units
    FROM job_groups
    CROSS JOIN counted_units
)

SELECT
    itwin_id,
    type,
    created_day,
    known_day,
    counted_source AS units_source,
    jobs,
    CASE WHEN known_day IS NOT NULL THEN finished ELSE 0 END AS finished,
    CASE WHEN has_units THEN finished_with_units ELSE 0 END AS with_units,
    CASE WHEN has_units THEN billionths(units) END AS units,
    CASE WHEN has_units THEN billionths(finished_units) END AS finished_units,
    CASE WHEN has_units THEN finished_squares END AS finished_squares
FROM counted_groups
