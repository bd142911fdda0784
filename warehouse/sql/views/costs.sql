-- One row per run and stage, its dollars NULL where one answer has none; the stage `judge` is what a model as grader cost.
-- noqa: disable=RF02
create or replace view costs as
with spent as (
    select
        stages.run_id,
        stages.stage,
        roles.model,
        roles.params,
        roles.price_input,
        stages.num_prompt_tokens,
        stages.num_completion_tokens,
        stages.num_cached_prompt_tokens,
        stages.num_reasoning_tokens,
        stages.num_uncounted,
        if(stages.num_unpriced = 0, stages.dollars, null) as dollars,
        stages.num_attempts,
        stages.num_correct
    from store.stage_results as stages
    inner join store.roles on stages.run_id = roles.run_id and stages.stage = roles.stage
    union all by name
    select
        judges.run_id,
        'judge' as stage,
        judges.model,
        judges.params,
        judges.price_input,
        sum(traces.num_billed_prompt_tokens)::bigint as num_prompt_tokens,
        sum(traces.num_completion_tokens)::bigint as num_completion_tokens,
        sum(traces.num_cached_prompt_tokens)::bigint as num_cached_prompt_tokens,
        sum(traces.num_reasoning_tokens)::bigint as num_reasoning_tokens,
        (count(*) filter (where traces.num_completion_tokens is null or traces.num_billed_prompt_tokens is null))::integer
            as num_uncounted,
        if(count(*) = count(dollars_of(traces, judges)), sum(dollars_of(traces, judges)), null) as dollars
    from store.judges
    inner join store.members on judges.run_id = members.run_id and members.stage = 'judge'
    inner join store.traces on judges.recipe = traces.recipe and members.trace_id = traces.trace_id
    group by judges.run_id, judges.model, judges.params, judges.price_input
)

select
    run_id,
    stage,
    model,
    num_prompt_tokens,
    num_completion_tokens,
    num_prompt_tokens + num_completion_tokens as num_tokens,
    num_cached_prompt_tokens,
    num_reasoning_tokens,
    num_uncounted,
    num_attempts,
    num_correct,
    dollars,
    2 * params * (num_prompt_tokens + num_completion_tokens) / 1e15 as petaflops,
    num_tokens / nullif(num_correct, 0) as tokens_per_correct,
    dollars / nullif(num_correct, 0) as dollars_per_correct,
    petaflops / nullif(num_correct, 0) as petaflops_per_correct,
    nullif(
        concat_ws(
            '; ',
            if(dollars is null and price_input is null, 'dollars: ' || model || ' has no price', null),
            if(params is null, 'petaflops: ' || model || ' has no params', null),
            if(
                num_uncounted > 0,
                case
                    when num_tokens is null then 'dollars, petaflops: '
                    when dollars is null and price_input is not null then 'dollars unknown, tokens and petaflops too low: '
                    else 'tokens and petaflops too low: '
                end
                || 'the engine did not count the tokens of ' || num_uncounted || ' answers',
                null
            )
        ),
        ''
    ) as cost_note
from spent
