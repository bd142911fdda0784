-- One row per run and problem: what came of it in both stages.
with counted as (
    select
        run_id,
        problem_id,
        any_value(problem_digest) as problem_digest,
        any_value(gold) as gold,
        count(*) filter (where stage = 'explore') as num_explored,
        count(is_correct) filter (where stage = 'explore') as num_explored_attempts,
        count(*) filter (where stage = 'explore' and is_correct) as num_explored_correct,
        count(*) filter (where stage = 'synthesize') as num_synthesized,
        count(is_correct) filter (where stage = 'synthesize') as num_synthesized_attempts,
        count(*) filter (where stage = 'synthesize' and is_correct) as num_synthesized_correct,
        count(distinct vote_key) filter (where stage = 'explore') as num_distinct_answers,
        sum(num_completion_tokens)::bigint as num_tokens,
        list_sort(list_distinct(list(stage || ' ' || coalesce(verdict, 'not graded')))) as verdicts
    from samples
    where list_contains($run_ids::varchar[], run_id)
    group by run_id, problem_id
),

votes as (
    select
        cons_at_k.run_id,
        cons_at_k.problem_id,
        cons_at_k.answers
    from cons_at_k
    inner join runs on cons_at_k.run_id = runs.run_id and cons_at_k.k = runs.num_explored
    where cons_at_k.stage = 'explore' and cons_at_k.run_id in (select unnest($run_ids::varchar[]))
)

select
    counted.*,
    left(problems.question, 160) as question,
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
