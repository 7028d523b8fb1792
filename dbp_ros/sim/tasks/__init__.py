"""Tasks of the cell: one file for each, and a line in the registry."""
