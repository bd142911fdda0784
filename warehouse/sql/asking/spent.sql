-- One row per stage of a run, a judge's too: its traces made since a time, their tokens, and their price where there is one.
-- noqa: disable=RF02
with priced as (
    select *
    from store.roles
    union all by name
    select
        *,
        'judge' as stage
    from store.judges
),

mine as (
    select *
    from priced
    where run_id = $run_id
),

wanted as (
    select distinct stage, trace_id
    from store.members
    where run_id = $run_id
),

made as (
    select *
    from store.traces
    where started_at >= $since
)

select
    mine.stage,
    mine.model,
    count(made.trace_id)::integer as num_traces,
    coalesce(sum(coalesce(made.num_billed_prompt_tokens, 0) + coalesce(made.num_completion_tokens, 0)), 0)::bigint as num_tokens,
    if(
        count(made.trace_id) = 0,
        0,
        sum(dollars_of(made, mine))
    ) as dollars
from mine
left join wanted on mine.stage = wanted.stage
left join made on mine.recipe = made.recipe and wanted.trace_id = made.trace_id
group by mine.stage, mine.model
order by mine.stage
