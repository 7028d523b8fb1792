"""Turn chunks of actions into safe joint commands: interpolation, limits, watchdogs."""
