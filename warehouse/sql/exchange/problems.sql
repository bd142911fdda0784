-- One row per problem of a run, with how its stages did.
select
    runs.run_id,
    runs.benchmark,
    asked.problem_id,
    problems.question,
    asked.gold,
    problems.metadata,
    asked.num_explored,
    asked.explorer_accuracy,
    asked.num_synthesized,
    asked.synthesizer_accuracy
from (
    select
        run_id,
        problem_id,
        problem_digest,
        any_value(gold) as gold,
        count(*) filter (where stage = 'explore') as num_explored,
        avg(is_correct::integer) filter (where stage = 'explore') as explorer_accuracy,
        count(*) filter (where stage = 'synthesize') as num_synthesized,
        avg(is_correct::integer) filter (where stage = 'synthesize') as synthesizer_accuracy
    from samples
    where run_id = $run_id
    group by run_id, problem_id, problem_digest
) as asked
inner join runs on asked.run_id = runs.run_id
left join problems
    on
        runs.benchmark = problems.benchmark
        and asked.problem_id = problems.problem_id
        and asked.problem_digest = problems.problem_digest
order by natural_order(asked.problem_id)
