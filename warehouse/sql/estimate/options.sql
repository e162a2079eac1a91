-- Grain: option of the jobs of a type.
-- Counts: edges, the quartiles of its numbers (null without any), and which texts it had, booleans included.
SELECT
    option,
    percentile_cont([0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY number) AS edges,
    list_sort(list(DISTINCT value) FILTER (WHERE number IS NULL AND value IS NOT NULL)) AS texts
FROM job_options
WHERE type = $type
GROUP BY option
ORDER BY option
