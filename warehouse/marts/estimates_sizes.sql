-- estimates_sizes: how much the like jobs were given to work on.
-- Grain: like job with reality data among its inputs.
-- Counts: gb, the sizes of its inputs, each of them once, null where one of them is not known; km2, the area of the largest.
-- Leaves out: the size of a scene (the input `photos`), which says nothing of its pictures: it counts as not known.
WITH inputs AS (
    SELECT DISTINCT
        job_references.job_id,
        job_references.reference,
        CASE WHEN job_references.role <> 'photos' THEN reality_data.size_bytes END AS size_bytes,
        reality_data.area_km2
    FROM job_references
    INNER JOIN (SELECT DISTINCT job_id FROM estimates_like_jobs) AS like_jobs
        ON job_references.job_id = like_jobs.job_id
    LEFT JOIN reality_data ON job_references.reference = reality_data.reality_data_id
    WHERE job_references.direction = 'input' AND job_references.kind = 'reality_data'
)

SELECT
    job_id,
    CASE WHEN count(*) = count(size_bytes) THEN sum(size_bytes) / 1e9 END AS gb,
    max(area_km2) AS km2
FROM inputs
GROUP BY job_id
