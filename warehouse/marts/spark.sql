-- What the marts' texts say, as Spark says it. A macro here stands for the function or the macro of the same name, and within
-- its own text the name is Spark's own. `warehouse.dialect` puts these texts in the place of each call.

CREATE OR REPLACE MACRO month_text(moment) AS
    date_format(moment, 'yyyy-MM');

CREATE OR REPLACE MACRO day_start(number) AS
    timestamp_micros(number * 86400000000);

CREATE OR REPLACE MACRO hour_start(number) AS
    timestamp_micros(number * 3600000000);

-- Spark counts down where the last number is the smaller one.
CREATE OR REPLACE MACRO numbers_between(first, last) AS
    CASE WHEN first <= last THEN sequence(CAST(first AS BIGINT), CAST(last AS BIGINT)) ELSE array() END;

CREATE OR REPLACE MACRO epoch_us(moment) AS
    unix_micros(moment);

CREATE OR REPLACE MACRO to_microseconds(number) AS
    make_dt_interval(0, 0, 0, number / 1000000e0);

CREATE OR REPLACE MACRO isfinite(x) AS
    abs(x) < double('infinity');

CREATE OR REPLACE MACRO len(list) AS
    array_size(list);

CREATE OR REPLACE MACRO list_extract(list, place) AS
    get(list, CAST(place - 1 AS INT));

-- DuckDB rounds the product, Spark the number as it is written: they part at ties.
CREATE OR REPLACE MACRO round(x, digits) AS
    round(x * power(10e0, digits)) / power(10e0, digits);

CREATE OR REPLACE MACRO json_extract(body, path) AS
    get_json_object(body, path);

CREATE OR REPLACE MACRO json_extract_string(body, path) AS
    get_json_object(body, path);

-- Of the types, those that the texts ask for.
CREATE OR REPLACE MACRO json_type(body, path) AS
    CASE regexp_substr(schema_of_variant(try_variant_get(try_parse_json(body), path, 'variant')), '^[A-Z]+')
        WHEN 'BIGINT' THEN 'BIGINT'
        WHEN 'DECIMAL' THEN 'DOUBLE'
        WHEN 'DOUBLE' THEN 'DOUBLE'
        WHEN 'FLOAT' THEN 'DOUBLE'
    END;

CREATE OR REPLACE MACRO spelled(written) AS
    CASE
        WHEN written RLIKE '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\z' THEN lower(written)
        ELSE written
    END;

-- A function of Python that the session is given: Java writes other digits.
CREATE OR REPLACE MACRO number_text(x) AS
    number_text(x);
