"""What is wrong with a running stack and what to do: rules over a snapshot, without ROS."""
