-- Adds the problems of stale runs that a stage did not read: their answer is the vote of the samples before it.
insert into store.problem_results by name
with left_out as (
    select
        roles.run_id,
        roles.stage,
        roles.reads,
        unnest(roles.left_to_vote) as problem_id
    from store.roles
    where roles.run_id in (select runs.run_id from store.runs where runs.is_stale)
)

select
    left_out.run_id,
    left_out.stage,
    left_out.problem_id,
    explored.problem_digest,
    0 as num_samples,
    0 as num_attempts,
    0 as num_correct,
    0 as num_truncated,
    0 as num_errors,
    coalesce(former.majority_accuracy, explored.majority_accuracy) as accuracy,
    0 as num_voters,
    0 as num_votes,
    0 as num_answers,
    0 as num_right_answers,
    coalesce(former.majority_accuracy, explored.majority_accuracy) as majority_accuracy,
    0 as num_fixed_attempts,
    0 as num_fixed_correct
from left_out
inner join pools() as explorers on left_out.run_id = explorers.run_id and explorers.round = 0 and explorers.is_main
inner join store.problem_results as explored
    on
        left_out.run_id = explored.run_id
        and explorers.stage = explored.stage
        and left_out.problem_id = explored.problem_id
left join store.problem_results as former
    on
        left_out.run_id = former.run_id
        and left_out.reads = [former.stage]
        and left_out.problem_id = former.problem_id
