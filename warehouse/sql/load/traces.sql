-- Adds the answers of new parts that are new or count more than the one that was known, one row per trace.
insert into store.traces by name
select *
from found_answers as found
where
    not exists (
        select 1
        from known_answers as known
        where
            known.recipe = found.recipe
            and known.trace_id = found.trace_id
            and answer_rank(found.started_at, found.latency_seconds, found.num_completion_tokens, found.answer_digest)
            >= known.answer_rank
    )
order by recipe, problem_id, problem_digest, sample_index
