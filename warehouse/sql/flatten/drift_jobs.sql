-- Grain: job of the month, with what its faults are counted by. `sort_key` orders jobs by time of creation, then id.
SELECT
    p.job_id,
    p.type,
    p.form,
    j.edition,
    j.candidates,
    lpad(epoch_us(p.created_at)::VARCHAR, 20, '0') || p.job_id AS sort_key
FROM parsed AS p
INNER JOIN job_editions AS j ON j.job_id = p.job_id
