-- Grain: job whose newest version failed and whose messages nobody asked for yet.
SELECT o.job_id
FROM observations AS o
INNER JOIN (SELECT job_id, max(observed_at) AS observed_at FROM observations GROUP BY job_id) AS l
    ON l.job_id = o.job_id AND l.observed_at = o.observed_at
WHERE o.http_status = 200
    AND o.body LIKE '%"state"%'
    AND json_extract_string(o.body, '$.state') IN ($failed_states)
    AND o.job_id NOT IN (SELECT job_id FROM message_observations)
ORDER BY o.job_id
