-- One row per trace, for a root that holds no trace file to read text from.
create or replace view traces as
select
    trace_id,
    stage,
    recipe,
    problem_id,
    problem_digest,
    sample_index,
    status,
    finish_reason,
    reasoning,
    answer,
    reference_ids,
    seed,
    choice_index,
    num_prompt_tokens,
    num_billed_prompt_tokens,
    num_completion_tokens,
    started_at,
    latency_seconds,
    * exclude (
        trace_id,
        stage,
        recipe,
        problem_id,
        problem_digest,
        sample_index,
        status,
        finish_reason,
        reasoning,
        answer,
        reference_ids,
        seed,
        choice_index,
        num_prompt_tokens,
        num_billed_prompt_tokens,
        num_completion_tokens,
        started_at,
        latency_seconds,
        num_tries,
        error_code,
        error_message
    ),
    num_tries,
    error_code,
    error_message
from (
    select
        * exclude (part),
        null::varchar as reasoning,
        null::varchar as answer
    from store.traces
    where false
    union all by name
    select
        *,
        'error' as status
    from store.failures
) as failed
