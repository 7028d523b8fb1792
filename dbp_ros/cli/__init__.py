"""The `dbp` command: one file a verb, thin."""
