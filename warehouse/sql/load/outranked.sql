-- Forgets answers that do not count any more, since one in a new part does.
delete from store.traces
where
    rowid in (
        select known.place
        from known_answers as known
        inner join found_answers as found on known.recipe = found.recipe and known.trace_id = found.trace_id
        where
            answer_rank(found.started_at, found.latency_seconds, found.num_completion_tokens, found.answer_digest)
            < known.answer_rank
    )
