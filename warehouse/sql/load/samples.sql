-- Adds the samples of stale runs, as the store is now.
insert into store.samples by name
select
    members.run_id,
    members.stage,
    members.problem_id,
    members.problem_digest,
    members.sample_index,
    members.trace_id,
    members.gold,
    case when failures.trace_id is not null then 'error' else traces.status end as status,
    case when traces.trace_id is null then 'infra_error' else grades.verdict end as verdict,
    grades.is_correct,
    grades.extracted,
    grades.vote_key,
    traces.finish_reason,
    failures.error_code,
    traces.seed,
    traces.num_prompt_tokens,
    traces.num_billed_prompt_tokens,
    traces.num_completion_tokens,
    coalesce(traces.started_at, failures.started_at) as started_at,
    traces.latency_seconds,
    traces.mean_logprob,
    traces.score
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
where runs.is_stale
order by members.run_id, members.stage, members.problem_id, members.sample_index
