-- Grain: month of creation. Counts the newest walk of each iTwin in that month; `incomplete` are those among them that
-- do not prove that they saw everything; `walked_since` is when the oldest of those walks ended.
WITH newest AS (
    SELECT *
    FROM walks
    QUALIFY row_number() OVER (PARTITION BY created_from, itwin_id ORDER BY finished_at DESC) = 1
)

SELECT
    strftime(created_from, '%Y-%m') AS month,
    count(*) AS itwins,
    count(*) FILTER (WHERE NOT complete) AS incomplete,
    sum(records)::BIGINT AS records,
    sum(rejected)::BIGINT AS rejected,
    min(finished_at) AS walked_since,
    left(any_value(error) FILTER (WHERE NOT complete), 60) AS why
FROM newest
GROUP BY created_from
ORDER BY created_from DESC
LIMIT 12
