-- Makes the table of records that were fetched by id, each with the month of its creation.
-- What has no readable creation time goes with the present month, to be rejected there.
CREATE TEMP TABLE records AS
SELECT
    *,
    coalesce(
        strftime(
            utc_time(CASE WHEN readable AND json_valid(body) THEN body ->> '$.executionInfo.createdDateTime' END),
            '%Y-%m'
        ),
        $present
    ) AS month
FROM $records
