"""Online learning from the episodes that a robot records."""
