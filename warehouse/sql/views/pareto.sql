-- One row per run and method of answering: one sample, the vote, the synthesizer.
create or replace view pareto as
with spent as (
    select
        run_id,
        sum(dollars) filter (where stage = 'explore') as explore_dollars,
        sum(petaflops) filter (where stage = 'explore') as explore_petaflops,
        if(count(*) = count(dollars), sum(dollars), null) as dollars,
        if(count(*) = count(petaflops), sum(petaflops), null) as petaflops,
        any_value(cost_note) filter (where stage = 'explore') as explore_note,
        nullif(string_agg(distinct cost_note, '; ' order by cost_note), '') as note
    from costs
    where stage <> 'judge' -- what measuring costs, not answering
    group by run_id
),

methods as (
    select
        runs.benchmark,
        runs.experiment,
        runs.run_id,
        metrics.metric,
        metrics.estimate as accuracy,
        metrics.low,
        metrics.high,
        metrics.num_problems,
        case
            when metrics.metric = 'mean@1' then spent.explore_dollars / explorer.n
            when metrics.metric = 'a2r' then spent.explore_dollars + (spent.dollars - spent.explore_dollars) / synthesizer.n
            when metrics.metric like 'a2r-%' then spent.dollars
            else spent.explore_dollars
        end as dollars,
        case
            when metrics.metric = 'mean@1' then spent.explore_petaflops / explorer.n
            when metrics.metric = 'a2r' then spent.explore_petaflops + (spent.petaflops - spent.explore_petaflops) / synthesizer.n
            when metrics.metric like 'a2r-%' then spent.petaflops
            else spent.explore_petaflops
        end as petaflops,
        metrics.num_wanted_problems,
        if(metrics.stage = 'explore', spent.explore_note, spent.note) as cost_note
    from metrics
    inner join store.runs on metrics.run_id = runs.run_id
    inner join spent on metrics.run_id = spent.run_id
    inner join store.roles as explorer on metrics.run_id = explorer.run_id and explorer.stage = 'explore'
    left join store.roles as synthesizer on metrics.run_id = synthesizer.run_id and synthesizer.stage = 'synthesize'
    where metrics.metric not like 'pass@%' and metrics.metric not in ('points@1', 'a2r-points')
)

select
    *,
    if(
        petaflops is null or accuracy is null,
        null,
        not exists (
            select 1
            from methods as better
            where
                better.benchmark = methods.benchmark
                and better.num_wanted_problems = methods.num_wanted_problems
                and better.petaflops <= methods.petaflops
                and better.accuracy >= methods.accuracy
                and (better.petaflops < methods.petaflops or better.accuracy > methods.accuracy)
        )
    ) as is_on_frontier
from methods
order by benchmark, petaflops
