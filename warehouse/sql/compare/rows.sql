-- Grain: one row for a table: its rows now, and those that came, went, or are there with other values, matched by the key.
-- Rows that share a key are told apart by their place. A column that the table did not have before was null.
WITH old AS (
    SELECT $key, hash($columns) AS content, row_number() OVER (PARTITION BY $key) AS twin
    FROM $before
),

new AS (
    SELECT $key, hash($columns) AS content, row_number() OVER (PARTITION BY $key) AS twin
    FROM $after
)

SELECT
    count(n.twin) AS rows,
    count(*) FILTER (WHERE o.twin IS NULL) AS added,
    count(*) FILTER (WHERE n.twin IS NULL) AS removed,
    count(*) FILTER (WHERE o.twin IS NOT NULL AND n.twin IS NOT NULL AND o.content <> n.content) AS changed
FROM old AS o
FULL JOIN new AS n ON o.twin = n.twin AND $same_key
