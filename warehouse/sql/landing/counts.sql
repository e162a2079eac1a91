-- Grain: walk of this run, with what its records were against the ledger as it was before.
-- `conflicting` names a job for which the walk had two different answers, `left_out` those that it did not list although the
-- answer for their id shows them in the month that was walked.
WITH jobs AS (
    SELECT
        c.walk_id,
        c.job_id,
        min(c.body_hash) <> max(c.body_hash) AS is_conflicting,
        any_value(l.job_id) IS NULL AS is_new,
        bool_or(n.job_id IS NOT NULL) AS is_changed
    FROM classified AS c
    LEFT JOIN last_kept AS l ON l.job_id = c.job_id
    LEFT JOIN (SELECT DISTINCT walk_id, job_id FROM new_versions) AS n ON n.walk_id = c.walk_id AND n.job_id = c.job_id
    WHERE c.reason IS NULL AND c.source = 'list'
    GROUP BY c.walk_id, c.job_id
),

rejected AS (
    SELECT
        walk_id,
        count(*) FILTER (WHERE reason <> 'moved') AS rejected,
        count(*) FILTER (WHERE reason = 'outside_window') AS outside,
        count(*) FILTER (
            WHERE reason IS NULL AND source = 'list' AND lower(itwin_id) <> lower(walked_itwin_id)
        ) AS foreign_records,
        list_sort(list(DISTINCT job_id) FILTER (
            WHERE reason IS NULL AND source = 'get'
                AND job_id NOT IN (SELECT job_id FROM classified WHERE reason IS NULL AND source = 'list')
        )) AS left_out
    FROM classified
    GROUP BY walk_id
)

SELECT
    r.walk_id,
    count(*) FILTER (WHERE j.is_new) AS new_jobs,
    count(*) FILTER (WHERE NOT j.is_new AND j.is_changed) AS changed_jobs,
    count(*) FILTER (WHERE NOT j.is_new AND NOT j.is_changed) AS unchanged_jobs,
    any_value(r.rejected) AS rejected,
    any_value(r.outside) AS outside,
    any_value(r.foreign_records) AS foreign_records,
    any_value(r.left_out) AS left_out,
    min(j.job_id) FILTER (WHERE j.is_conflicting) AS conflicting
FROM rejected AS r
LEFT JOIN jobs AS j ON j.walk_id = r.walk_id
GROUP BY r.walk_id
