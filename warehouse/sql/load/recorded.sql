-- One row per run among these that is known already.
select run_id
from store.runs
where list_contains($run_ids, run_id)
