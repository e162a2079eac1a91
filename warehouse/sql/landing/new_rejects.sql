-- Grain: record that cannot become a row and was not kept before for the same reason and iTwin: a row of `rejected_records`.
SELECT
    walk_id,
    walked_itwin_id,
    observed_at,
    page,
    ordinal,
    reason,
    body_hash,
    file,
    line
FROM classified AS c
WHERE reason <> 'moved'
    AND NOT EXISTS (
        SELECT 1 FROM rejected_records AS r
        WHERE r.body_hash = c.body_hash AND r.reason = c.reason
            AND coalesce(r.walked_itwin_id, '') = coalesce(c.walked_itwin_id, '')
    )
QUALIFY row_number() OVER (PARTITION BY walked_itwin_id, body_hash, reason ORDER BY observed_at, page, ordinal) = 1
