-- One row per recorded output, in the order of problems and of the log's own samples.
select
    question,
    output,
    reasoning,
    finish_reason,
    num_prompt_tokens,
    num_completion_tokens,
    started_at,
    latency_seconds,
    score,
    error
from read_parquet($spool)
order by place, sample_index, arrival
