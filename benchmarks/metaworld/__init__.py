"""`dbp bench metaworld`."""
