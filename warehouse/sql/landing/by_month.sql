-- Makes the table of records that were fetched by id, each with the month of its creation.
-- What has no readable creation time, or one that no month of the ledger holds, goes with the present month, to be
-- rejected there.
CREATE TEMP TABLE records AS
WITH timed AS (
    SELECT
        *,
        utc_time(CASE WHEN readable AND json_valid(body) THEN body ->> '$.executionInfo.createdDateTime' END) AS created_at
    FROM $records
)

SELECT
    * EXCLUDE (created_at),
    CASE WHEN year(created_at) BETWEEN 1000 AND 9998 THEN strftime(created_at, '%Y-%m') ELSE $present END AS month
FROM timed
