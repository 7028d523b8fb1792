"""The tasks of the cell: one file a task, and a line in the registry."""
