-- Grain: job of the month, with the editions that its record may be of.
-- `candidates` is the bit mask of the editions that all evidence allows: the keys of its specifications, its type, its
-- units field and its state; where these contradict each other, of the editions that its keys and type alone allow.
-- `edition` is the one that is left, the form of the timestamp deciding where nothing stronger does; null where several
-- are left or none.
WITH known_keys AS (
    SELECT job_type, part, api_field, bit_or(mask) AS mask
    FROM contract_fields
    GROUP BY job_type, part, api_field
),

by_keys AS (
    SELECT e.shape, bit_and(f.mask) AS mask
    FROM entries AS e
    INNER JOIN known_keys AS f ON f.job_type = e.type AND f.part = e.part AND f.api_field = e.api_field
    GROUP BY e.shape
),

evidence AS (
    SELECT
        p.job_id,
        coalesce(i.mask, a.mask) & coalesce(u.mask, a.mask) & coalesce(o.mask, a.mask) & coalesce(t.mask, a.mask)
            AS by_specification,
        coalesce(s.mask, a.mask)
        & CASE WHEN p.estimated_units IS NULL THEN a.mask ELSE a.estimated_mask END
        & CASE WHEN p.processing_units IS NULL THEN a.mask ELSE a.processing_mask END AS by_envelope,
        coalesce(f.mask, a.mask) AS by_form
    FROM parsed AS p
    CROSS JOIN contract_editions AS a
    LEFT JOIN by_keys AS i ON i.shape = p.input_shape
    LEFT JOIN by_keys AS u ON u.shape = p.output_shape
    LEFT JOIN by_keys AS o ON o.shape = p.option_shape
    LEFT JOIN contract_types AS t ON t.job_type = p.type
    LEFT JOIN contract_states AS s ON s.state = p.state
    LEFT JOIN contract_forms AS f ON matches_pattern(p.created_text, f.pattern)
),

settled AS (
    SELECT
        job_id,
        CASE
            WHEN by_specification & by_envelope <> 0 THEN by_specification & by_envelope
            ELSE by_specification
        END AS candidates,
        by_specification & by_envelope AS agreed,
        by_form
    FROM evidence
)

SELECT
    s.job_id,
    s.candidates,
    e.edition
FROM settled AS s
LEFT JOIN contract_edition_bits AS e
    ON e.mask = CASE WHEN bit_count(s.agreed) > 1 THEN s.agreed & s.by_form ELSE s.agreed END
