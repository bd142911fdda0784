-- One row per trace a run wanted, made or not, with its texts and verdict; by problem, stage and sample.
select
    samples.run_id,
    runs.benchmark,
    samples.problem_id,
    samples.problem_digest,
    samples.stage,
    samples.sample_index,
    samples.trace_id,
    problems.question,
    samples.gold,
    texts.reasoning,
    texts.answer,
    coalesce(texts.reference_ids, []) as reference_ids,
    samples.status,
    samples.verdict,
    samples.is_correct,
    samples.extracted,
    samples.vote_key,
    samples.finish_reason,
    samples.num_prompt_tokens,
    samples.num_completion_tokens,
    samples.latency_seconds,
    samples.seed,
    samples.mean_logprob,
    samples.group_confidence,
    samples.score,
    samples.decided_by,
    samples.is_by_hand
from samples
inner join runs on samples.run_id = runs.run_id
inner join store.roles on samples.run_id = roles.run_id and samples.stage = roles.stage
left join problems
    on
        runs.benchmark = problems.benchmark
        and samples.problem_id = problems.problem_id
        and samples.problem_digest = problems.problem_digest
left join (
    select
        trace_id,
        reasoning,
        answer,
        reference_ids
    from traces
    where list_contains($recipes, recipe) and status <> 'error'
) as texts on samples.trace_id = texts.trace_id
where
    samples.run_id = $run_id -- noqa: RF02
    and list_contains($stages, samples.stage) -- noqa: RF02
    and (not $only_correct or samples.is_correct) -- noqa: RF02
order by samples.problem_id, roles.place, samples.sample_index
