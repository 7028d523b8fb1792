"""Transfer of a model bundle between machines."""
