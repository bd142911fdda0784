-- Adds the samples of stale runs, as the store is now.
-- noqa: disable=RF02
insert into store.samples by name
select
    members.*,
    case when failures.trace_id is not null then 'error' else traces.status end as status,
    case when traces.trace_id is null then 'infra_error' else grades.verdict end as verdict,
    grades.is_correct,
    grades.extracted,
    grades.vote_key,
    traces.finish_reason,
    failures.error_code,
    traces.* exclude (
        trace_id,
        stage,
        recipe,
        problem_digest,
        sample_index,
        status,
        finish_reason,
        choice_index,
        num_tries,
        reference_ids,
        answer_digest,
        part
    )
    replace (coalesce(traces.started_at, failures.started_at) as started_at),
    grades.points
from store.members
inner join store.runs on members.run_id = runs.run_id
inner join store.roles on members.run_id = roles.run_id and members.stage = roles.stage
left join store.traces on roles.recipe = traces.recipe and members.trace_id = traces.trace_id
left join store.failures on members.trace_id = failures.trace_id
left join store.grades
    on
        roles.recipe = grades.recipe
        and members.trace_id = grades.trace_id
        and runs.grader = grades.grader
        and members.gold = grades.gold
        and is_of_answer(grades.answer_digest, traces.answer_digest)
where runs.is_stale
qualify
    row_number() over (
        partition by members.run_id, members.stage, members.problem_id, members.trace_id
        order by grades.answer_digest nulls last
    ) = 1
order by members.run_id, members.stage, members.problem_id, members.sample_index
