"""What keeps the pipeline going by itself: nights, sweeps, the server of `a2r up`, its watchers, the upkeep of a root."""
