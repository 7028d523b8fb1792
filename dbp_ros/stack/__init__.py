"""The processes of the stack: described, checked and started."""
