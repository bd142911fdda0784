-- Forgets failures that were followed by an answer or by a later failure.
delete from store.failures
where
    trace_id in (
        select held.trace_id
        from store.traces as held
        where
            held.problem_digest in (select known.problem_digest from store.failures as known)
            and held.recipe in (select known.recipe from store.failures as known)
    )
    or exists (
        select 1
        from store.failures as later
        where
            later.trace_id = failures.trace_id
            and (later.started_at, later.rowid) > (failures.started_at, failures.rowid)
    )
