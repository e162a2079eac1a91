-- Grain: job and part of its specifications, also where it has none.
SELECT job_id, type, 'inputs' AS part, input_shape AS shape, input_keys AS keys, inputs AS items FROM parsed
UNION ALL
SELECT job_id, type, 'outputs', output_shape, output_keys, outputs FROM parsed
UNION ALL
SELECT job_id, type, 'options', option_shape, option_keys, options FROM parsed
