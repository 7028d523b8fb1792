"""`dbp bench sim`."""
