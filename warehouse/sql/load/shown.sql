-- One row per answer that stale runs want: of a long history only these, so that what is joined with them fits into memory.
create or replace temp table shown as
select *
from store.traces
where
    rowid in ( -- as in known.sql
        select held.rowid
        from store.traces as held
        where held.problem_digest in (select distinct wanted.problem_digest from wanted)
    )
    and trace_id in (select wanted.trace_id from wanted)
