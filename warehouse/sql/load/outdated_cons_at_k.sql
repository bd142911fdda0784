-- Forgets what was made of the samples of stale runs.
delete from store.cons_at_k
where run_id in (select run_id from store.runs where is_stale)
