-- Grain: job and part of its specifications (JSON text), also where it has none.
SELECT job_id, type, 'inputs' AS part, input_shape AS shape, inputs AS written FROM parsed
UNION ALL
SELECT job_id, type, 'outputs', output_shape, outputs FROM parsed
UNION ALL
SELECT job_id, type, 'options', option_shape, options FROM parsed
