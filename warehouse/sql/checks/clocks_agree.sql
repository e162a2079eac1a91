-- Grain: iTwin of a month whose newest walk found the API's clock two minutes or more away from this machine's.
-- What it saw is dated by the API's clock; a walk that found a day or more landed nothing.
SELECT itwin_id, finished_at, clock_skew_seconds
FROM walks
QUALIFY row_number() OVER (PARTITION BY itwin_id ORDER BY finished_at DESC) = 1
    AND abs(clock_skew_seconds) >= 120
ORDER BY itwin_id
