"""`dbp bench rate`."""
