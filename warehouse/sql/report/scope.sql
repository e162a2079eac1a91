-- scope: What the report covers. Counts jobs that vanished too. One row.
SELECT
    count(*) AS jobs,
    max(coalesce(itwin_name, itwin_id)) AS itwin,
    max(itwin_id) AS itwin_id
FROM named.jobs
WHERE itwin_id IS NOT DISTINCT FROM coalesce($itwin, itwin_id)
