-- One row per run and stage: forward FLOPs per problem (2 x parameters x tokens) and what was cut off or failed.
select
    run_id,
    stage,
    1e9 * petaflops / nullif(num_wanted_problems, 0) as megaflops_per_problem,
    num_truncated,
    num_errors,
    num_wanted
from leaderboard
where run_id in (select unnest($run_ids::varchar[]))
order by run_id, stage
