-- Grain: form of a record but for the parts of its specifications: its keys and the types of the values that every job
-- has, read from one job that has it.
SELECT
    f.form,
    record_keys(b.body) AS keys,
    json_type(b.body, envelope_paths()) AS types
FROM (SELECT form, min(job_id) AS job_id FROM parsed GROUP BY form) AS f
INNER JOIN bodies AS b ON b.job_id = f.job_id
