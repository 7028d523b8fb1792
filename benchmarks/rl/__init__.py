"""`dbp bench rl`."""
