-- One row per stored trace among these ids.
select
    traces.trace_id,
    traces.stage,
    traces.problem_digest,
    coalesce(list_sort(list(distinct problems.problem_id)), []) as problem_ids
from store.traces
left join store.problems on traces.problem_digest = problems.problem_digest
where list_contains($ids::varchar[], traces.trace_id) -- noqa: RF02
group by traces.trace_id, traces.stage, traces.problem_digest
