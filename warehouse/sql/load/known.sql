-- One row per answer of the history to a problem that new parts have answers to, with where it is and what it is ranked by.
-- What is few is looked up first: else every column of a long history is read.
create or replace temp table known_answers as
select
    rowid as place,
    recipe,
    trace_id,
    answer_rank(started_at, latency_seconds, num_completion_tokens, answer_digest) as answer_rank
from store.traces
where
    rowid in (
        select held.rowid
        from store.traces as held
        where held.problem_digest in (select distinct found_answers.problem_digest from found_answers)
    )
