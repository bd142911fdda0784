-- Adds the samples of stale runs, as the store is now.
-- noqa: disable=RF02
insert into store.samples by name
with in_force as (
    select *
    from (
        select
            *,
            row_number() over (partition by source, trace_id, problem_digest, answer order by entered_at desc) as age
        from store.corrections
    ) as events
    where age = 1 and not is_withdrawn
),

by_hand as (
    select
        members.run_id,
        members.stage,
        members.problem_id,
        members.sample_index,
        in_force.verdict,
        in_force.who,
        in_force.why
    from wanted as members
    inner join in_force
        on
            members.problem_digest = in_force.problem_digest
            and members.trace_id = coalesce(in_force.trace_id, members.trace_id)
    left join judged
        on
            members.recipe = judged.recipe
            and members.trace_id = judged.trace_id
            and members.grader = judged.grader
            and members.gold = judged.gold
    where
        in_force.trace_id is not null
        or in_force.answer is null
        or in_force.answer = judged.extracted
        or in_force.vote_key = judged.vote_key
    qualify
        row_number() over (
            partition by members.run_id, members.stage, members.problem_id, members.sample_index
            order by
                in_force.trace_id is null,
                in_force.answer is null,
                in_force.entered_at desc,
                in_force.line desc
        ) = 1
)

select
    members.* exclude (recipe, grader),
    case when failures.trace_id is not null then 'error' else traces.status end as status,
    case when traces.trace_id is null then 'infra_error' else coalesce(by_hand.verdict, judged.verdict) end as verdict,
    if(traces.trace_id is null or by_hand.verdict is null, judged.is_correct, by_hand.verdict = 'correct') as is_correct,
    judged.extracted,
    judged.vote_key,
    traces.finish_reason,
    failures.error_code,
    traces.* exclude (
        trace_id,
        stage,
        recipe,
        problem_id,
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
    if(by_hand.verdict is null, judged.points, null) as points,
    if(traces.trace_id is null, null, coalesce(by_hand.who, judged.decided_by, judged.grader)) as decided_by,
    traces.trace_id is not null and by_hand.verdict is not null as is_by_hand,
    if(traces.trace_id is null, null, by_hand.why) as why_by_hand
from wanted as members
left join shown as traces on members.recipe = traces.recipe and members.trace_id = traces.trace_id
left join store.failures on members.trace_id = failures.trace_id
left join judged
    on
        members.recipe = judged.recipe
        and members.trace_id = judged.trace_id
        and members.grader = judged.grader
        and members.gold = judged.gold
left join by_hand
    on
        members.run_id = by_hand.run_id
        and members.stage = by_hand.stage
        and members.problem_id = by_hand.problem_id
        and members.sample_index = by_hand.sample_index
order by members.run_id, members.stage, members.problem_id, members.sample_index
