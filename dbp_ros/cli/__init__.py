"""The `dbp` command, with one module per verb."""
