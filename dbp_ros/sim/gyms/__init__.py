"""Environments to practise in: worlds of several kinds, stepped a chunk of actions at a time."""
