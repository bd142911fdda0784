"""Everything that is Prefect's: cache keys, shards as tasks, who waits for whom, names, progress on a run's page."""
