-- One row per trace, grader and gold answer of stale runs: the verdict on the answer that is shown.
create or replace temp table judged as
with given as (
    select *
    from store.grades
    where
        rowid in ( -- as in known.sql
            select held.rowid
            from store.grades as held
            where held.problem_digest in (select distinct wanted.problem_digest from wanted)
        )
        and trace_id in (select wanted.trace_id from wanted)
)

select given.*
from given
left join shown on given.recipe = shown.recipe and given.trace_id = shown.trace_id
where is_of_answer(given.answer_digest, shown.answer_digest)
qualify
    row_number() over (
        partition by given.trace_id, given.grader, given.gold
        order by given.answer_digest nulls last
    ) = 1
