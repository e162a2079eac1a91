-- Grain: thing that was asked for, in an iTwin. `shown`: a body of it was kept; `listed`: a list showed one; `is_gone`: the last
-- answer was 404; `refused_at`: the newest refusal after its newest body.
SELECT
    kind,
    spelled(id) AS id,
    spelled(itwin_id) AS itwin_id,
    bool_or(body IS NOT NULL) AS shown,
    bool_or(body IS NOT NULL AND source = 'list') AS listed,
    coalesce(arg_max(http_status, observed_at) FILTER (WHERE http_status IN (200, 404)) = 404, false) AS is_gone,
    CASE WHEN arg_max(body IS NULL, observed_at) THEN max(observed_at) FILTER (WHERE body IS NULL) END AS refused_at
FROM name_observations
GROUP BY ALL
ORDER BY ALL
