-- What several statements say alike.

-- A timestamp as text, with or without seconds, in UTC microseconds; what is finer is cut off, so a job never moves into the
-- next month. It is read as RFC 3339 writes it: 't' and 'z' may be small, a comma may stand before the fraction, and the leap
-- second 60 is the end of second 59. Null where the text is no date and time ('infinity' and 'epoch' are none).
CREATE OR REPLACE MACRO utc_time(written) AS
    CASE
        WHEN regexp_matches(written, '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d[^,z]*$') THEN try_cast(written AS TIMESTAMPTZ)
        WHEN NOT regexp_matches(written, '^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d') THEN NULL
        WHEN substr(written, 17, 3) = ':60'
            THEN try_cast(
                left(written, 10) || ' ' || substr(written, 12, 5) || ':59.999999'
                || regexp_replace(upper(substr(written, 20)), '^[.,]\d+', '') AS TIMESTAMPTZ
            )
        ELSE try_cast(
            left(written, 10) || ' ' || substr(written, 12, 5)
            || CASE WHEN substr(written, 17, 1) = ':' THEN '' ELSE ':00' END
            || replace(upper(substr(written, 17)), ',', '.') AS TIMESTAMPTZ
        )
    END;

-- An id or a reference in the one spelling in which it is kept and compared: a GUID in lower case, anything else as it is.
CREATE OR REPLACE MACRO spelled(written) AS
    CASE
        WHEN written <> lower(written) AND regexp_full_match(written, '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}')
            THEN lower(written)
        ELSE written
    END;

-- The state that a body tells. Where the key stands twice the last one counts, as in JSON (DuckDB takes the first).
CREATE OR REPLACE MACRO state_of(body) AS
    CASE
        WHEN body LIKE '%"state"%"state"%' THEN list_extract(
            json_extract_string(body, '$.*'),
            len(json_keys(body)) + 1 - list_position(list_reverse(json_keys(body)), 'state')
        )
        ELSE json_extract_string(body, '$.state')
    END;

-- What the values of a JSON object say as texts, in their order: a text without its quotes, null for null, anything else as
-- it is written.
CREATE OR REPLACE MACRO texts_of(written) AS
    json_extract_string(written, '$.*');

-- The keys of a record, of its executionInfo and of its specifications.
CREATE OR REPLACE MACRO record_keys(body) AS
    json_keys(body, ['$', '$.executionInfo', '$.specifications']);

-- What stands for all records with the same type, keys and types of values: 64 bits. A hash takes the elements of a list one
-- by one, so the lengths tell where each of them ends.
CREATE OR REPLACE MACRO form(type, keys, types) AS
    hash(type, keys, types, len(keys[1]), len(keys[2]));

-- The same for a part of the specifications, a JSON object. It has as many keys as types.
CREATE OR REPLACE MACRO shape(type, part, written) AS
    hash(type, part, json_keys(written), json_type(written, '$.*'));

-- A number as text; null where it is none or infinite.
CREATE OR REPLACE MACRO finite_number(written) AS
    CASE WHEN isfinite(try_cast(written AS DOUBLE)) THEN try_cast(written AS DOUBLE) END;

-- A JSON value that is a number; null where it is anything else.
CREATE OR REPLACE MACRO json_number(item) AS
    CASE WHEN json_type(item) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN finite_number(item::VARCHAR) END;

-- A number as text that is whole, written with or without a fraction; null where it is not, or too large for 64 bits.
CREATE OR REPLACE MACRO whole_number(written) AS
    CASE
        WHEN regexp_full_match(written, '-?[0-9]+') THEN try_cast(written AS BIGINT)
        WHEN finite_number(written) = floor(finite_number(written)) THEN try_cast(finite_number(written) AS BIGINT)
    END;

-- The texts of a JSON list, null for each element that is none.
CREATE OR REPLACE MACRO texts_in(written) AS
    [CASE json_type(x) WHEN 'VARCHAR' THEN x ->> '$' END for x in json_extract(written, '$[*]')];

-- The step of a JSON path to a key.
CREATE OR REPLACE MACRO path_step(key) AS
    CASE
        WHEN regexp_full_match(key, '[A-Za-z_][A-Za-z0-9_]*') THEN '.' || key
        ELSE '."' || replace(key, '"', '\"') || '"'
    END;

-- The JSON pointer to a key in a folder ('specifications.inputs'; '' is the record itself). It can name every key, which
-- DuckDB's JSON paths cannot.
CREATE OR REPLACE MACRO pointer(folder, key) AS
    CASE folder WHEN '' THEN '' ELSE '/' || replace(folder, '.', '/') END
    || '/' || replace(replace(key, '~', '~0'), '/', '~1');
