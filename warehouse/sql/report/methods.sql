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
    is_undominated(benchmark, cost_per_problem, accuracy) as is_on_frontier
from priced
where cost_per_problem is not null
order by benchmark, cost_per_problem, run_id, metric
