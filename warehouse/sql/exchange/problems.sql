-- One row per problem of a run, with how its explorers and its last round did.
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
        samples.run_id,
        samples.problem_id,
        samples.problem_digest,
        any_value(samples.gold) as gold,
        count(*) filter (where pools.round = 0) as num_explored,
        avg(samples.is_correct::integer) filter (where pools.round = 0) as explorer_accuracy,
        count(*) filter (where pools.round > 0 and pools.is_main) as num_synthesized,
        avg(samples.is_correct::integer) filter (where pools.round > 0 and pools.is_main) as synthesizer_accuracy
    from samples
    inner join pools() as pools on samples.run_id = pools.run_id and samples.stage = pools.stage
    where samples.run_id = $run_id -- noqa: RF02
    group by samples.run_id, samples.problem_id, samples.problem_digest
) as asked
inner join runs on asked.run_id = runs.run_id
left join problems
    on
        runs.benchmark = problems.benchmark
        and asked.problem_id = problems.problem_id
        and asked.problem_digest = problems.problem_digest
order by natural_order(asked.problem_id)
