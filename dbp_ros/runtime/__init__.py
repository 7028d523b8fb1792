"""Real-time execution: rate loop, clocks, CPU affinity, ROS domains, supervised processes."""
