"""Measurements that a command prints and a plot shows."""
