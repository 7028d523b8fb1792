"""Real-time execution: rate loops, clocks, CPU affinity, ROS domains, supervised processes."""
