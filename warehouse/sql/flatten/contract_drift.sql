-- Grain: job type, JSON path, kind and edition, over the whole month.
SELECT
    type,
    path,
    kind,
    edition,
    sum(jobs)::BIGINT AS jobs,
    substr(min(first_key), 21) AS first_job_id,
    substr(max(last_key), 21) AS last_job_id,
    arg_min_null(example, first_key) AS example
FROM drift_counts
GROUP BY type, path, kind, edition
