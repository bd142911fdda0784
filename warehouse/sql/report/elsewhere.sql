-- One row per run and problem of a wording, the latest hundred, the oldest of them first: what its samples came to.
with found as (
    select
        runs.run_id,
        runs.started_at,
        results.problem_id,
        max(results.num_samples) filter (where pools.round = 0 and pools.is_main) as num_explored,
        max(results.num_attempts) filter (where pools.round = 0 and pools.is_main) as num_explored_attempts,
        max(results.num_correct) filter (where pools.round = 0 and pools.is_main) as num_explored_correct,
        coalesce(max(results.num_samples) filter (where pools.round > 0 and pools.is_main), 0) as num_synthesized,
        max(results.num_attempts) filter (where pools.round > 0 and pools.is_main) as num_synthesized_attempts,
        max(results.num_correct) filter (where pools.round > 0 and pools.is_main) as num_synthesized_correct
    from store.problem_results as results
    inner join store.runs on results.run_id = runs.run_id
    inner join pools() as pools on results.run_id = pools.run_id and results.stage = pools.stage
    where results.problem_digest = $digest -- noqa: RF02
    group by runs.run_id, runs.started_at, results.problem_id
    order by runs.started_at desc, runs.run_id desc
    limit 100
)

select
    found.* exclude (started_at), -- noqa: RF02
    outcomes.outcome
from found
left join synthesis_outcomes as outcomes
    on found.run_id = outcomes.run_id and found.problem_id = outcomes.problem_id
order by found.started_at, found.run_id, found.problem_id
