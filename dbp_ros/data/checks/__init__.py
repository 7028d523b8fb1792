"""Checks of recorded episodes, each family in a module of pure functions."""
