-- Forgets what is known of runs that were recorded again.
delete from store.judges
where list_contains($run_ids, run_id)
