-- One row per stage of a run, a judge's too: its traces made since a time, their tokens, and their price where each has one.
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
    select
        stage,
        trace_id,
        problem_digest
    from store.members
    where run_id = $run_id
),

-- of the run's problems: what it wants, and what no run wants any more, such as answers to fewer references than it has now
made as (
    select
        mine.stage,
        traces.trace_id,
        coalesce(traces.num_billed_prompt_tokens, 0) + coalesce(traces.num_completion_tokens, 0) as num_tokens,
        dollars_of(traces, mine) as dollars
    from store.traces as traces
    inner join mine on traces.recipe = mine.recipe
    where
        traces.started_at >= $since
        and (mine.stage, traces.problem_digest) in (select (stage, problem_digest) from wanted)
        and (
            (mine.stage, traces.trace_id) in (select (stage, trace_id) from wanted)
            or traces.trace_id not in (select trace_id from store.members)
        )
)

select
    mine.stage,
    mine.model,
    count(made.trace_id)::integer as num_traces,
    coalesce(sum(made.num_tokens), 0)::bigint as num_tokens,
    case
        when count(made.trace_id) = 0 then 0
        when count(made.dollars) = count(made.trace_id) then sum(made.dollars)
    end as dollars,
    coalesce(mine.price_input is not null and count(made.dollars) < count(made.trace_id), false) as is_uncounted
from mine
left join made on mine.stage = made.stage
group by mine.stage, mine.model, mine.price_input
order by mine.stage
