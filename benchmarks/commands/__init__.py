"""The command line of each benchmark."""
