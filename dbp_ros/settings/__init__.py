"""Settings of the stack with their defaults, and how they are read and checked."""
