"""Teleoperation of described robots, without ROS: inputs of an operator to joint targets."""
