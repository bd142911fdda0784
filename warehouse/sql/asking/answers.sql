-- One row per trace that a run wanted of a problem, with its text where it was made.
select
    samples.stage,
    samples.sample_index,
    samples.verdict,
    samples.extracted,
    samples.num_completion_tokens,
    samples.seed,
    texts.reasoning,
    texts.answer,
    texts.error_message,
    samples.points,
    samples.decided_by,
    samples.is_by_hand,
    samples.why_by_hand
from (from samples where run_id = $run_id and problem_id = $problem_id) as samples
inner join store.roles on samples.run_id = roles.run_id and samples.stage = roles.stage
left join (from traces where problem_digest = $problem_digest) as texts on samples.trace_id = texts.trace_id
order by roles.place, samples.sample_index
