-- Forgets answers that do not count any more, since one in a new part does.
delete from store.traces
using found_answers as found
where
    traces.recipe = found.recipe
    and traces.trace_id = found.trace_id
    and answer_rank(
        found.started_at, found.latency_seconds, found.num_completion_tokens, found.answer_digest
    ) < answer_rank(
        traces.started_at, traces.latency_seconds, traces.num_completion_tokens, traces.answer_digest
    )
