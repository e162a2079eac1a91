-- deliverable_units: one row per job, with what the jobs before it cost.
-- Counts: the job's own units, and those of the distinct jobs upstream: every job that can be reached backwards over
--   reference_lineage, whatever its outcome. A job (or reference) that is upstream on several paths counts once for
--   each deliverable; one that feeds several deliverables counts once in each of them, so totals must not be summed.
--   depth: the greatest of the shortest distances (in steps from consumer to producer) to the jobs upstream.
--   in_cycle: the job is upstream of itself. It is not among its own upstream jobs all the same.
-- Leaves out: units that are not known (see units_coverage), and what no job made (photos that somebody uploaded).
WITH RECURSIVE edges AS (
    SELECT DISTINCT
        consumer_job_id,
        producer_job_id
    FROM reference_lineage
),

-- Numbers in place of the long ids, for the jobs that are linked at all.
linked AS MATERIALIZED (
    SELECT
        job_id,
        row_number() OVER () AS id
    FROM (
        SELECT consumer_job_id AS job_id FROM edges
        UNION
        SELECT producer_job_id AS job_id FROM edges
    ) AS either_end
),

steps AS MATERIALIZED (
    SELECT
        consumers.id,
        producers.id AS upstream_id
    FROM edges
    INNER JOIN linked AS consumers ON edges.consumer_job_id = consumers.job_id
    INNER JOIN linked AS producers ON edges.producer_job_id = producers.job_id
),

-- Who is upstream of whom. As pairs, without distances, this ends on cycles too.
upstream AS MATERIALIZED (
    SELECT
        id,
        upstream_id
    FROM steps
    UNION
    SELECT
        upstream.id,
        steps.upstream_id
    FROM upstream
    INNER JOIN steps ON upstream.upstream_id = steps.id
),

-- Jobs in a cycle or downstream of one: there a walk has no end.
tangled AS MATERIALIZED (
    SELECT DISTINCT id
    FROM upstream
    WHERE upstream_id IN (SELECT id FROM upstream WHERE id = upstream_id)
),

-- Distances for the others: every length of a walk between two jobs.
walks AS (
    SELECT
        id,
        upstream_id,
        1 AS distance
    FROM steps
    WHERE id NOT IN (SELECT id FROM tangled)
    UNION
    SELECT
        walks.id,
        steps.upstream_id,
        walks.distance + 1 AS distance
    FROM walks
    INNER JOIN steps ON walks.upstream_id = steps.id
),

-- One step backwards, and standing still.
moves AS (
    SELECT
        id,
        upstream_id,
        1 AS length
    FROM steps
    WHERE EXISTS (SELECT 1 FROM tangled)
    UNION ALL
    SELECT
        id,
        id AS upstream_id,
        0 AS length
    FROM linked
    WHERE EXISTS (SELECT 1 FROM tangled)
),

-- Distances for the tangled ones, breadth first: a turn says again all that is known of a job, the pairs that the last
-- turn found go a step further, and a job whose turn found nothing new is done.
turns AS (
    SELECT
        id,
        upstream_id,
        1 AS distance,
        1 AS turn
    FROM moves
    WHERE length = 1 AND id IN (SELECT id FROM tangled)
    UNION ALL
    SELECT
        id,
        upstream_id,
        distance,
        turn
    FROM (
        SELECT
            turns.id,
            moves.upstream_id,
            min(turns.distance + moves.length) AS distance,
            min(turns.turn) + 1 AS turn,
            max(min(turns.distance + moves.length)) OVER (PARTITION BY turns.id) AS farthest
        FROM turns
        INNER JOIN moves ON turns.upstream_id = moves.id AND (moves.length = 0 OR turns.distance = turns.turn)
        GROUP BY turns.id, moves.upstream_id
    ) AS next_round
    WHERE farthest = turn
),

distances AS (
    SELECT
        id,
        upstream_id,
        min(distance) AS distance
    FROM (SELECT id, upstream_id, distance FROM walks UNION ALL SELECT id, upstream_id, distance FROM turns) AS found
    GROUP BY id, upstream_id
),

costs AS MATERIALIZED (
    SELECT
        linked.id,
        CASE WHEN jobs.units_source = 'estimatedUnits' THEN jobs.units END AS estimated_units,
        CASE WHEN jobs.units_source = 'processingUnits' THEN jobs.units END AS processing_units,
        jobs.units
    FROM linked
    INNER JOIN jobs ON linked.job_id = jobs.job_id
),

rolled_up AS (
    SELECT
        distances.id,
        count(*) FILTER (WHERE distances.id <> distances.upstream_id) AS upstream_jobs,
        count(costs.units) FILTER (WHERE distances.id <> distances.upstream_id) AS upstream_with_units,
        sum(costs.estimated_units) FILTER (WHERE distances.id <> distances.upstream_id) AS estimated_units,
        sum(costs.processing_units) FILTER (WHERE distances.id <> distances.upstream_id) AS processing_units,
        max(distances.distance) FILTER (WHERE distances.id <> distances.upstream_id) AS depth,
        count(*) FILTER (WHERE distances.id = distances.upstream_id) > 0 AS in_cycle
    FROM distances
    LEFT JOIN costs ON distances.upstream_id = costs.id
    GROUP BY distances.id
),

by_job AS (
    SELECT
        linked.job_id,
        rolled_up.*
    FROM rolled_up
    INNER JOIN linked ON rolled_up.id = linked.id
),

joined AS (
    SELECT
        jobs.job_id,
        jobs.itwin_id,
        jobs.type,
        jobs.created_at,
        CASE WHEN jobs.units_source = 'estimatedUnits' THEN jobs.units END AS estimated_units,
        CASE WHEN jobs.units_source = 'processingUnits' THEN jobs.units END AS processing_units,
        coalesce(by_job.upstream_jobs, 0) AS upstream_jobs,
        coalesce(by_job.upstream_with_units, 0) AS upstream_with_units,
        round(by_job.estimated_units, 6) AS upstream_estimated_units,
        round(by_job.processing_units, 6) AS upstream_processing_units,
        coalesce(by_job.depth, 0) AS depth,
        coalesce(by_job.in_cycle, FALSE) AS in_cycle
    FROM jobs
    LEFT JOIN by_job ON jobs.job_id = by_job.job_id
)

SELECT
    job_id,
    itwin_id,
    type,
    created_at,
    estimated_units,
    processing_units,
    upstream_jobs,
    upstream_with_units,
    upstream_with_units / nullif(upstream_jobs, 0)::DOUBLE AS units_coverage,
    upstream_estimated_units,
    upstream_processing_units,
    round(
        coalesce(estimated_units + upstream_estimated_units, estimated_units, upstream_estimated_units), 6
    ) AS total_estimated_units,
    round(
        coalesce(processing_units + upstream_processing_units, processing_units, upstream_processing_units), 6
    ) AS total_processing_units,
    CAST(depth AS BIGINT) AS depth,
    in_cycle
FROM joined
