-- Lets these runs alone be stale: many are recomputed group by group.
update store.runs
set is_stale = list_contains($run_ids, run_id)
where is_stale <> list_contains($run_ids, run_id)
