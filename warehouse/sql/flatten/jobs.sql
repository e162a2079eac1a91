-- Grain: job of the month, in its newest version.
-- Durations are elapsed seconds from microsecond differences. A job that ended without ever starting (cancelled in the
-- queue) has all its time in queue_seconds. Units count only where the API sent a number; a consumption goes before an
-- estimate. A state that the contract does not know is open.
WITH timed AS (
    SELECT
        *,
        plausible_time(utc_time(started_text), created_at, changed_at) AS started_at,
        plausible_time(utc_time(ended_text), created_at, changed_at) AS ended_at,
        json_number(processing_units) AS processed,
        json_number(estimated_units) AS estimated
    FROM parsed
)

SELECT
    t.job_id,
    t.itwin_id,
    t.user_id,
    t.name,
    t.type,
    t.state,
    coalesce(s.outcome, 'open') AS outcome,
    t.created_at,
    strftime(t.created_at, '%Y-%m') AS created_month,
    t.started_at,
    t.ended_at,
    (epoch_us(coalesce(t.started_at, t.ended_at)) - epoch_us(t.created_at)) / 1e6 AS queue_seconds,
    (epoch_us(t.ended_at) - epoch_us(t.started_at)) / 1e6 AS run_seconds,
    (epoch_us(t.ended_at) - epoch_us(t.created_at)) / 1e6 AS total_seconds,
    coalesce(t.processed, t.estimated) AS units,
    CASE
        WHEN t.processed IS NOT NULL THEN 'processingUnits'
        WHEN t.estimated IS NOT NULL THEN 'estimatedUnits'
    END AS units_source,
    e.edition,
    t.first_observed_at,
    t.changed_at,
    t.versions,
    t.vanished_at
FROM timed AS t
INNER JOIN job_editions AS e ON e.job_id = t.job_id
LEFT JOIN contract_states AS s ON s.state = t.state
