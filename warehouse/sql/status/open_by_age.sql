-- Grain: state and age. Age is from creation to the end of the newest complete walk; jobs that vanished are left out.
WITH aged AS (
    SELECT
        state,
        (
            (SELECT epoch_us(max(finished_at)) FROM walks WHERE complete) - epoch_us(created_at)
        ) / 3.6e9 AS hours
    FROM jobs
    WHERE outcome = 'open' AND vanished_at IS NULL
)

SELECT
    CASE
        WHEN hours < 1 THEN 'under 1 hour'
        WHEN hours < 24 THEN '1 to 24 hours'
        WHEN hours < 168 THEN '1 to 7 days'
        ELSE 'over 7 days'
    END AS age,
    state,
    count(*) AS jobs,
    max(hours) AS oldest_hours
FROM aged
GROUP BY ALL
ORDER BY max(hours), state
