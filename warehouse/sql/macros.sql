-- What several statements say alike.

-- A timestamp as text, with or without seconds, in UTC microseconds; what is finer is cut off, so a job never moves into the next month. Null where
-- the text is no date and time ('infinity' and 'epoch' are none).
CREATE OR REPLACE MACRO utc_time(written) AS
    CASE
        WHEN NOT regexp_matches(written, '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d') THEN NULL
        WHEN substr(written, 17, 1) = ':' THEN try_cast(written AS TIMESTAMPTZ)
        ELSE try_cast(left(written, 16) || ':00' || substr(written, 17) AS TIMESTAMPTZ)
    END;

-- What a JSON value says as text: a text without its quotes, anything else as it is written.
CREATE OR REPLACE MACRO plain_text(item, type) AS
    CASE
        WHEN type <> 'VARCHAR' THEN item::VARCHAR
        WHEN contains(item, '\') THEN item ->> '$'
        ELSE substr(item, 2, len(item) - 2)
    END;

-- The keys of a record, of its executionInfo and of its specifications.
CREATE OR REPLACE MACRO record_keys(body) AS
    json_keys(body, ['$', '$.executionInfo', '$.specifications']);

-- What stands for all records with the same type, keys and types of values. A list as text is quoted where it needs to be,
-- so different ones never look alike.
CREATE OR REPLACE MACRO form(type, keys, types) AS
    md5_number(concat([type]::VARCHAR, keys::VARCHAR, types::VARCHAR));

-- The same for a part of the specifications, a JSON object.
CREATE OR REPLACE MACRO shape(type, part, item) AS
    md5_number(concat([type, part]::VARCHAR, json_keys(item)::VARCHAR, json_type(item, '$.*')::VARCHAR));

-- A number as text; null where it is none or infinite.
CREATE OR REPLACE MACRO finite_number(written) AS
    CASE WHEN isfinite(try_cast(written AS DOUBLE)) THEN try_cast(written AS DOUBLE) END;

-- A JSON value that is a number; null where it is anything else.
CREATE OR REPLACE MACRO json_number(item) AS
    CASE WHEN json_type(item) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN finite_number(item::VARCHAR) END;

-- A JSON value that is a whole number, written with or without a fraction; null where it is anything else.
CREATE OR REPLACE MACRO json_whole(item) AS
    CASE
        WHEN json_type(item) IN ('BIGINT', 'UBIGINT') THEN try_cast(item::VARCHAR AS BIGINT)
        WHEN json_number(item) = floor(json_number(item)) THEN try_cast(json_number(item) AS BIGINT)
    END;

-- A JSON value that is a text, without its quotes; null where it is anything else.
CREATE OR REPLACE MACRO json_text(item) AS
    CASE WHEN json_type(item) = 'VARCHAR' THEN item ->> '$' END;

-- A JSON value that is true or false; null where it is anything else.
CREATE OR REPLACE MACRO json_truth(item) AS
    CASE WHEN json_type(item) = 'BOOLEAN' THEN item::VARCHAR = 'true' END;

-- The texts of a JSON list, null for each element that is none; null where the value is no list.
CREATE OR REPLACE MACRO json_texts(item) AS
    CASE
        WHEN json_type(item) = 'ARRAY'
            THEN [CASE WHEN json_type(x) = 'VARCHAR' THEN x ->> '$' END for x in from_json(item, '["JSON"]')]
    END;

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
