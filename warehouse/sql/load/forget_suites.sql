-- Forgets what is known of runs that were recorded again.
delete from store.suites
where list_contains($run_ids, run_id)
