-- Grain: job of the month (a row of `newest`), with its newest body; a torn one as it is mended.
SELECT
    n.*,
    o.itwin_id,
    o.created_at,
    coalesce(m.body, o.body) AS body
FROM observations AS o
INNER JOIN newest AS n ON n.job_id = o.job_id AND n.changed_at = o.observed_at
LEFT JOIN mended AS m ON m.job_id = o.job_id
