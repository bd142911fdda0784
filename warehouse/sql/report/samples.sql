-- One row per run and trace it wanted of some problems, without its text; stages in their order.
select
    samples.run_id,
    samples.problem_digest,
    samples.stage,
    roles.round,
    samples.sample_index,
    samples.trace_id,
    samples.gold,
    samples.verdict,
    samples.points,
    samples.extracted,
    samples.decided_by,
    samples.is_by_hand,
    samples.why_by_hand
from samples
inner join store.roles on samples.run_id = roles.run_id and samples.stage = roles.stage
where
    samples.run_id in (select unnest($run_ids::varchar[]))
    and samples.problem_digest in (select unnest($problem_digests::varchar[]))
order by samples.problem_digest, samples.run_id, roles.place, samples.sample_index
