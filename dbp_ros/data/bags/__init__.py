"""Recordings of rosbag2: bags of this package and of others, and their episodes."""
