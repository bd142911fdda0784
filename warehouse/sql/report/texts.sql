-- One row per run and trace it wanted of some problems, with its text.
select
    samples.run_id,
    samples.problem_digest,
    samples.stage,
    roles.round,
    samples.sample_index,
    samples.trace_id,
    samples.status,
    samples.verdict,
    samples.points,
    samples.extracted,
    samples.decided_by,
    samples.is_by_hand,
    samples.why_by_hand,
    samples.finish_reason,
    samples.seed,
    samples.num_prompt_tokens,
    samples.num_completion_tokens,
    samples.latency_seconds,
    texts.reasoning,
    texts.answer,
    texts.reference_ids,
    texts.error_message
from samples
inner join store.roles on samples.run_id = roles.run_id and samples.stage = roles.stage
left join (
    select
        trace_id,
        reasoning,
        answer,
        reference_ids,
        error_message
    from traces
    where recipe in (select unnest($recipes::varchar[])) and problem_id in (select unnest($problem_ids::varchar[]))
) as texts
    on samples.trace_id = texts.trace_id
where
    samples.run_id in (select unnest($run_ids::varchar[]))
    and samples.problem_digest in (select unnest($problem_digests::varchar[]))
order by samples.problem_digest, samples.run_id, roles.place, samples.sample_index
