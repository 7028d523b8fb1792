"""Processes of the stack: command lines, remap rules and checks before the start."""
