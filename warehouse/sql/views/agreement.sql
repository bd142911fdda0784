-- One row per run, stage, two graders (or people) with verdicts on the same samples, and who decided these: how often they agree.
create or replace view agreement as
with said as (
    select
        members.run_id,
        members.stage,
        members.problem_id,
        members.sample_index,
        grades.grader,
        grades.is_correct
    from store.members
    inner join grades on members.trace_id = grades.trace_id and members.gold = grades.gold
    where grades.verdict in ('correct', 'wrong') and grades.grader not like 'cascade-%'
    union all
    select
        run_id,
        stage,
        problem_id,
        sample_index,
        'by hand' as grader,
        is_correct
    from store.samples
    where is_by_hand
)

select
    one.run_id,
    one.stage,
    one.grader,
    other.grader as other_grader,
    if(samples.is_by_hand, 'by hand', samples.decided_by) as decided_by,
    count(*) as num_both,
    count(*) filter (where one.is_correct = other.is_correct) as num_agreed,
    count(*) filter (where one.is_correct and not other.is_correct) as num_only_grader_right,
    count(*) filter (where not one.is_correct and other.is_correct) as num_only_other_right,
    num_agreed / num_both as agreement
from said as one
inner join said as other
    on
        one.run_id = other.run_id
        and one.stage = other.stage
        and one.problem_id = other.problem_id
        and one.sample_index = other.sample_index
        and one.grader > other.grader
inner join store.samples as samples
    on
        one.run_id = samples.run_id
        and one.stage = samples.stage
        and one.problem_id = samples.problem_id
        and one.sample_index = samples.sample_index
group by one.run_id, one.stage, one.grader, other.grader, if(samples.is_by_hand, 'by hand', samples.decided_by)
order by one.run_id, one.stage, one.grader, other.grader, decided_by
