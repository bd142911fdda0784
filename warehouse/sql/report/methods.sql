-- One row per run and method of answering of which the cost is known, with the frontier among the given runs.
with priced as (
    select
        benchmark,
        experiment,
        run_id,
        metric,
        accuracy,
        low,
        high,
        num_problems,
        num_wanted_problems,
        case
            when count(dollars) over mine >= count(petaflops) over mine then 'dollars'
            else 'petaflops'
        end as unit,
        case unit when 'dollars' then dollars else petaflops end / num_wanted_problems as cost_per_problem
    from pareto
    where list_contains($run_ids::varchar[], run_id) and accuracy is not null
    window mine as (partition by benchmark)
)

select
    *,
    not exists (
        select 1
        from priced as better
        where
            better.benchmark = priced.benchmark
            and better.cost_per_problem <= priced.cost_per_problem
            and better.accuracy >= priced.accuracy
            and (better.cost_per_problem < priced.cost_per_problem or better.accuracy > priced.accuracy)
    ) as is_on_frontier
from priced
where cost_per_problem is not null
order by benchmark, cost_per_problem, run_id, metric
