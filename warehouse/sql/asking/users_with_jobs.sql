-- Grain: identity that created jobs.
SELECT DISTINCT user_id FROM jobs WHERE user_id IS NOT NULL ORDER BY user_id
