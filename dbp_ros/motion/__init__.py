"""Safe joint commands from action chunks: interpolation, limits, guard."""
