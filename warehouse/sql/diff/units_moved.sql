-- Grain: one row for a month, iTwin, type and user (a row of units_by_month) and a reason for which its units moved from
--   `old_jobs` to `new_jobs`, with the jobs of that reason and what they add, as whole billionths. Summed over the
--   reasons, the changes are the difference of the totals. `taken_at` is when the old side was taken.
WITH paired_jobs AS (
    SELECT
        coalesce(n.job_id, o.job_id) AS job_id,
        o.job_id IS NOT NULL AS was_there,
        n.job_id IS NOT NULL AS is_there,
        struct_pack(month := month_text(o.created_at), itwin_id := o.itwin_id, type := o.type, user_id := o.user_id) AS old_group,
        struct_pack(month := month_text(n.created_at), itwin_id := n.itwin_id, type := n.type, user_id := n.user_id) AS new_group,
        CASE WHEN o.units IS NOT NULL THEN o.units_source END AS old_field,
        CASE WHEN n.units IS NOT NULL THEN n.units_source END AS new_field,
        billionths(o.units) AS old_amount,
        billionths(n.units) AS new_amount,
        o.versions IS NOT DISTINCT FROM n.versions AND o.changed_at IS NOT DISTINCT FROM n.changed_at AS is_same_version,
        o.vanished_at IS NULL AND n.vanished_at IS NOT NULL AS has_vanished,
        n.created_at < CAST($taken_at AS TIMESTAMPTZ) AS is_late
    FROM old_jobs AS o
    FULL JOIN new_jobs AS n ON o.job_id = n.job_id
),

explained_jobs AS (
    SELECT
        *,
        CASE
            WHEN NOT was_there AND is_late THEN 'late job'
            WHEN NOT was_there THEN 'new job'
            WHEN NOT is_there THEN 'missing job'
            WHEN old_group IS DISTINCT FROM new_group THEN 'moved'
            WHEN old_field IS NOT DISTINCT FROM new_field AND old_amount IS NOT DISTINCT FROM new_amount THEN
                CASE WHEN has_vanished THEN 'vanished' END
            WHEN is_same_version THEN 'read otherwise'
            WHEN old_field IS NULL THEN 'first value'
            WHEN new_field IS NULL THEN 'value withdrawn'
            WHEN old_field <> new_field THEN 'other field'
            ELSE 'restated'
        END AS reason
    FROM paired_jobs
),

changes AS (
    SELECT job_id, reason, old_group AS of_group, old_field AS field, -old_amount AS change
    FROM explained_jobs
    WHERE reason IS NOT NULL AND was_there
    UNION ALL
    SELECT job_id, reason, new_group AS of_group, new_field AS field, new_amount AS change
    FROM explained_jobs
    WHERE reason IS NOT NULL AND is_there
)

SELECT
    of_group.month AS month,
    of_group.itwin_id AS itwin_id,
    of_group.type AS type,
    of_group.user_id AS user_id,
    reason,
    count(DISTINCT job_id) AS jobs,
    coalesce(sum(change) FILTER (WHERE field = 'estimatedUnits'), 0) AS estimated,
    coalesce(sum(change) FILTER (WHERE field = 'processingUnits'), 0) AS processed
FROM changes
GROUP BY ALL
ORDER BY ALL
