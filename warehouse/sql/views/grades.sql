-- One row per trace, grader and gold answer: the verdict on the answer that `traces` shows.
create or replace view grades as
select
    graded.trace_id,
    graded.grader,
    graded.gold,
    graded.verdict,
    graded.is_correct,
    graded.extracted,
    graded.vote_key,
    graded.points,
    graded.decided_by
from store.grades as graded
left join store.traces as shown on graded.recipe = shown.recipe and graded.trace_id = shown.trace_id
where is_of_answer(graded.answer_digest, shown.answer_digest)
qualify
    row_number() over (
        partition by graded.trace_id, graded.grader, graded.gold
        order by graded.answer_digest nulls last
    ) = 1
