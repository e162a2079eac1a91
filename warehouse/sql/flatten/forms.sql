-- Grain: form of a record but for the parts of its specifications: its keys and the types of the values that every job has.
SELECT
    f.form,
    record_keys(s.body) AS keys,
    json_type(s.body, envelope_paths()) AS types
FROM (SELECT form, min(job_id) AS job_id FROM parsed GROUP BY form) AS f
INNER JOIN samples AS s ON s.job_id = f.job_id
