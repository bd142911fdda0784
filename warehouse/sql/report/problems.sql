-- One row per run and problem: what the explorers and the last round came to.
with counted as (
    select
        samples.run_id,
        samples.problem_id,
        any_value(samples.problem_digest) as problem_digest,
        any_value(samples.gold) as gold,
        count(*) filter (where pools.round = 0) as num_explored,
        count(samples.is_correct) filter (where pools.round = 0) as num_explored_attempts,
        count(*) filter (where pools.round = 0 and samples.is_correct) as num_explored_correct,
        count(*) filter (where pools.round > 0 and pools.is_main) as num_synthesized,
        count(samples.is_correct) filter (where pools.round > 0 and pools.is_main) as num_synthesized_attempts,
        count(*) filter (where pools.round > 0 and pools.is_main and samples.is_correct) as num_synthesized_correct,
        count(distinct samples.vote_key) filter (where pools.round = 0) as num_distinct_answers,
        sum(samples.num_completion_tokens)::bigint as num_tokens,
        list_sort(list_distinct(list(samples.stage || ' ' || coalesce(samples.verdict, 'not graded')))) as verdicts
    from samples
    inner join pools() as pools on samples.run_id = pools.run_id and samples.stage = pools.stage
    where samples.run_id in (select unnest($run_ids::varchar[]))
    group by samples.run_id, samples.problem_id
),

votes as (
    select
        cons_at_k.run_id,
        cons_at_k.problem_id,
        cons_at_k.answers
    from cons_at_k
    inner join pools() as pools
        on
            cons_at_k.run_id = pools.run_id
            and cons_at_k.stage = pools.stage
            and cons_at_k.k = pools.n
            and pools.round = 0
            and pools.is_main
    where cons_at_k.run_id in (select unnest($run_ids::varchar[]))
)

select
    counted.*,
    left(problems.question, 160) as question,
    problems.metadata,
    votes.answers as majority,
    outcomes.majority_accuracy,
    outcomes.is_any_right,
    outcomes.outcome
from counted
inner join runs on counted.run_id = runs.run_id
left join problems
    on
        runs.benchmark = problems.benchmark
        and counted.problem_id = problems.problem_id
        and counted.problem_digest = problems.problem_digest
left join votes on counted.run_id = votes.run_id and counted.problem_id = votes.problem_id
left join synthesis_outcomes as outcomes
    on counted.run_id = outcomes.run_id and counted.problem_id = outcomes.problem_id
order by natural_order(counted.problem_id), counted.problem_digest, runs.started_at, counted.run_id
