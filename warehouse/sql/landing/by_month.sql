-- Makes the table of records that were fetched by id, each with the month of its creation.
-- What has no readable creation time, or one that cannot be, goes with the present month, to be rejected there.
CREATE TEMP TABLE records AS
WITH timed AS (
    SELECT
        *,
        plausible_creation(
            utc_time(CASE WHEN readable AND json_valid(body) THEN body ->> '$.executionInfo.createdDateTime' END),
            observed_at
        ) AS created_at
    FROM $records
)

SELECT
    * EXCLUDE (created_at),
    coalesce(strftime(created_at, '%Y-%m'), $present) AS month
FROM timed
