-- Adds the votes of stale runs.
insert into store.cons_at_k by name
from votes_of((select coalesce(list(run_id), []) from store.runs where is_stale), null)
