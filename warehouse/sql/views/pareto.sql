-- One row per run and method of answering: one sample, the vote, the synthesizer.
create or replace view pareto as
with spent as (
    select
        sources.run_id,
        sources.stage,
        sum(costs.dollars) filter (where sources.is_own) as own_dollars,
        sum(costs.petaflops) filter (where sources.is_own) as own_petaflops,
        if(count(*) = count(costs.dollars), coalesce(sum(costs.dollars) filter (where not sources.is_own), 0), null)
            as dollars_before,
        if(count(*) = count(costs.petaflops), coalesce(sum(costs.petaflops) filter (where not sources.is_own), 0), null)
            as petaflops_before,
        nullif(string_agg(distinct costs.cost_note, '; ' order by costs.cost_note), '') as cost_note
    from (
        select
            sources.*,
            list_contains(pools.members, sources.source) as is_own
        from stage_sources as sources
        inner join pools() as pools on sources.run_id = pools.run_id and sources.stage = pools.stage
    ) as sources
    inner join costs on sources.run_id = costs.run_id and sources.source = costs.stage
    group by sources.run_id, sources.stage
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
        if(
            pools.num_fixed < pools.n, counted.num_samples / runs.num_problems, pools.n
        ) as samples_per_problem,
        spent.dollars_before + spent.own_dollars / if(metrics.measure = 'mean', samples_per_problem, 1) as dollars,
        spent.petaflops_before + spent.own_petaflops / if(metrics.measure = 'mean', samples_per_problem, 1) as petaflops,
        metrics.num_wanted_problems,
        spent.cost_note
    from metrics
    inner join store.runs on metrics.run_id = runs.run_id
    inner join spent on metrics.run_id = spent.run_id and metrics.stage = spent.stage
    inner join pools() as pools on metrics.run_id = pools.run_id and metrics.stage = pools.stage
    inner join store.stage_results as counted on metrics.run_id = counted.run_id and metrics.stage = counted.stage
    where metrics.measure not in ('pass', 'points')
)

select
    * exclude (samples_per_problem),
    if(
        petaflops is null or accuracy is null,
        null,
        is_undominated((benchmark, num_wanted_problems), petaflops, accuracy)
    ) as is_on_frontier
from methods
order by benchmark, petaflops
