-- Forgets what was made of the samples of stale runs.
delete from store.member_metrics
where run_id in (select run_id from store.runs where is_stale)
