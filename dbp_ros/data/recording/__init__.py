"""Recording of episodes on a robot."""
