"""What was recorded: episodes on disk, read and written whole."""
