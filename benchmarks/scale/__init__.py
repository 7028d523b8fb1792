"""`dbp bench scale`."""
