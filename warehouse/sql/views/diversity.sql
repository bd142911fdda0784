-- One row per run and stage: how much a problem's samples differ, on average over problems.
create or replace view diversity as
select
    results.run_id,
    results.stage,
    any_value(pools.n) as num_samples_per_problem,
    count(*) filter (where results.num_voters > 0) as num_problems,
    count(*) filter (where results.num_voters = 0) as num_left_out,
    avg(results.num_answers) filter (where results.num_voters > 0) as mean_answers,
    avg(results.vote_entropy) as mean_entropy,
    avg(results.num_votes / results.num_attempts) filter (where results.num_voters > 0) as mean_vote_share,
    count(*) filter (where results.num_answers = 1) as num_unanimous,
    count(*) filter (where results.num_correct > 0 and results.majority_accuracy < 0.5) as num_outvoted,
    count(*) filter (where results.num_right_answers > 1) as num_split_right
from store.problem_results as results
inner join pools() as pools on results.run_id = pools.run_id and results.stage = pools.stage
group by results.run_id, results.stage
