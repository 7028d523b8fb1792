"""Operator's page in a browser, as a function of a snapshot of the stack and of a `StackLink`."""
