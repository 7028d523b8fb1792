"""Time of the whole path of teaching."""
