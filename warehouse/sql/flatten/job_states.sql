-- Grain: stretch of observations of a job in one state.
-- The change to a state happened after `not_seen_after` (when the state before was last seen: by its newest version, or by the
-- last complete walk before the change) and by `first_seen_at`. A walk proves that a state still stood only for the jobs
-- that it covers (those of its iTwin, or, where it asked for the caller's own jobs, those that such walks have shown), and
-- only until they were found gone.
WITH versions AS (
    SELECT
        *,
        lag(state) OVER in_time AS state_before,
        row_number() OVER in_time AS version
    FROM (
        SELECT job_id, itwin_id, observed_at, state_of(body) AS state
        FROM observations
        WHERE http_status = 200 AND job_id IN (SELECT job_id FROM newest WHERE versions > 1)
    )
    WINDOW in_time AS (PARTITION BY job_id ORDER BY observed_at)
),

stretches AS (
    SELECT
        *,
        sum(CASE WHEN version = 1 OR state IS DISTINCT FROM state_before THEN 1 ELSE 0 END)
            OVER (PARTITION BY job_id ORDER BY observed_at) AS stretch
    FROM versions
),

bounded AS (
    SELECT
        job_id,
        any_value(itwin_id) AS itwin_id,
        any_value(state) AS state,
        stretch,
        min(observed_at) AS first_seen_at,
        max(observed_at) AS newest_version_at
    FROM stretches
    GROUP BY job_id, stretch
),

followed AS (
    SELECT
        *,
        lead(first_seen_at) OVER (PARTITION BY job_id ORDER BY stretch) AS next_seen_at
    FROM bounded
),

complete_walks AS (
    SELECT coalesce(itwin_id, '') AS scope, started_at, finished_at
    FROM walks
    WHERE complete
),

scopes AS (
    SELECT DISTINCT job_id, itwin_id AS scope FROM bounded WHERE itwin_id IS NOT NULL
    UNION
    SELECT DISTINCT o.job_id, ''
    FROM observations AS o
    INNER JOIN walks AS w ON w.walk_id = o.walk_id
    WHERE w.itwin_id IS NULL
),

ended_stretches AS (
    SELECT
        f.job_id,
        f.stretch,
        f.first_seen_at,
        least(f.next_seen_at, min(g.observed_at)) AS unseen_at,
        s.scope
    FROM followed AS f
    INNER JOIN scopes AS s ON s.job_id = f.job_id
    LEFT JOIN observations AS g
        ON g.job_id = f.job_id AND g.http_status = 404 AND g.observed_at > f.newest_version_at
    WHERE f.next_seen_at IS NOT NULL
    GROUP BY f.job_id, f.stretch, f.first_seen_at, f.next_seen_at, s.scope
),

last_walks AS (
    SELECT e.job_id, e.stretch, max(w.started_at) AS walked_at
    FROM ended_stretches AS e
    ASOF INNER JOIN complete_walks AS w ON w.scope = e.scope AND w.finished_at < e.unseen_at
    WHERE w.started_at > e.first_seen_at
    GROUP BY e.job_id, e.stretch
),

seen AS (
    SELECT
        f.*,
        greatest(f.newest_version_at, l.walked_at) AS last_seen_at
    FROM followed AS f
    LEFT JOIN last_walks AS l ON l.job_id = f.job_id AND l.stretch = f.stretch
)

SELECT
    job_id,
    state,
    first_seen_at,
    last_seen_at,
    lag(last_seen_at) OVER (PARTITION BY job_id ORDER BY stretch) AS not_seen_after
FROM seen
UNION ALL
-- A job that was seen in one version alone has one stretch: no body needs to be read again.
SELECT job_id, state, first_observed_at, first_observed_at, NULL
FROM parsed
WHERE versions = 1
