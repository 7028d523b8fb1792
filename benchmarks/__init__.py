"""Benchmarks of the stack and of the method: each prints a table and writes CSV and PNG."""
