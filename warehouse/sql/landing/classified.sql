-- Grain: record that this run was shown (a row of `shown`), with what it needs to become a row, or the reason why it cannot.
-- A record that is word for word the last version kept is known from that: its JSON is not read again.
-- A known job whose answer by id tells another month is no reject: it has moved there.
-- Leaves out: its body, which is found again by `file` and `line`.
WITH unchanged AS (
    SELECT s.* EXCLUDE (readable, body), k.job_id, k.itwin_id, k.created_at
    FROM shown AS s
    INNER JOIN last_versions AS k ON k.body_hash = s.body_hash
),

valid AS (
    SELECT *, CASE WHEN readable AND json_valid(body) THEN body END AS record
    FROM shown
    WHERE body_hash NOT IN (SELECT body_hash FROM last_versions)
),

read AS (
    SELECT * EXCLUDE (record), json_type(record, $paths) AS types, json_extract_string(record, $paths) AS texts
    FROM valid
),

named AS (
    SELECT
        * EXCLUDE (types, texts),
        types,
        CASE WHEN types[2] IN ('VARCHAR', 'UBIGINT', 'BIGINT') THEN nullif(spelled(texts[2]), '') END AS job_id,
        CASE WHEN types[3] = 'VARCHAR' THEN spelled(texts[3]) END AS itwin_id,
        CASE WHEN types[4] = 'VARCHAR' THEN utc_time(texts[4]) END AS created_at
    FROM read
)

SELECT *, NULL AS reason
FROM unchanged
UNION ALL BY NAME
SELECT
    * EXCLUDE (types, readable, body),
    CASE
        WHEN types IS NULL THEN 'unreadable'
        WHEN types[1] <> 'OBJECT' THEN 'not_an_object'
        WHEN job_id IS NULL THEN 'no_id'
        WHEN created_at IS NULL THEN 'no_created_time'
        WHEN created_at >= $window_start AND created_at < $window_end THEN NULL
        WHEN source = 'get' AND job_id IN (SELECT job_id FROM last_kept) THEN 'moved'
        ELSE 'outside_window'
    END AS reason
FROM named
