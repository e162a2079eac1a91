-- What several marts say alike, under names that stand for the same in DuckDB and in Spark.

-- Units as whole billionths: their sum is exact, so it is the same in whatever order they come. Null for what no job can
-- cost: a billion units or more.
CREATE OR REPLACE MACRO billionths(units) AS
    TRY_CAST(round(units * 1e9) AS DECIMAL(18, 0));

-- A sum of billionths as units.
CREATE OR REPLACE MACRO units_of(total_billionths) AS
    CAST(total_billionths AS DOUBLE) / 1e9;

-- A number as text: the shortest that reads as the same number.
CREATE OR REPLACE MACRO number_text(x) AS
    CAST(x AS VARCHAR);

-- The UTC month of a time, YYYY-MM.
CREATE OR REPLACE MACRO month_text(moment) AS
    strftime(moment, '%Y-%m');

-- The number of a UTC hour, counted from the start of 1970.
CREATE OR REPLACE MACRO hour_number(moment) AS
    CAST(floor(epoch_us(moment) / 3600000000e0) AS BIGINT);

-- When the hour of a number starts.
CREATE OR REPLACE MACRO hour_start(number) AS
    make_timestamptz(number * 3600000000);

-- The starts of the UTC hours from the one that holds `first` to the one that holds `last`, as a list; empty where `last`
-- is before that.
CREATE OR REPLACE MACRO hours_between(first, last) AS
    generate_series(hour_start(hour_number(first)), last, INTERVAL 1 HOUR);
