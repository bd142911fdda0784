-- One row per trace, for a root that holds no trace file to read text from.
create or replace view traces as
select
    trace_id,
    stage,
    recipe,
    problem_id,
    problem_digest,
    sample_index,
    'error' as status,
    null::varchar as finish_reason,
    null::varchar as reasoning,
    null::varchar as answer,
    null::varchar[] as reference_ids,
    null::bigint as seed,
    null::integer as choice_index,
    null::integer as num_prompt_tokens,
    null::integer as num_billed_prompt_tokens,
    null::integer as num_completion_tokens,
    started_at,
    null::double as latency_seconds,
    null::double as mean_logprob,
    null::double as score,
    num_tries,
    error_code,
    error_message
from store.failures
