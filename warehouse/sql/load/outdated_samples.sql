-- Forgets the samples of stale runs; they are recomputed.
delete from store.samples
where run_id in (select run_id from store.runs where is_stale)
