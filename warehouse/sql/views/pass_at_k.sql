-- One row per run, stage, problem and k: every k up to the samples per problem.
create or replace view pass_at_k as
select
    results.run_id,
    results.stage,
    results.problem_id,
    counts.k,
    results.num_fixed_attempts as n,
    results.num_fixed_correct as c,
    pass_at_k(results.num_fixed_attempts, results.num_fixed_correct, counts.k) as pass_at_k
from store.problem_results as results
inner join (select run_id, stage, unnest(range(1, n + 1)) as k from pools()) as counts
    on results.run_id = counts.run_id and results.stage = counts.stage
