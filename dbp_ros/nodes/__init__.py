"""ROS 2 nodes: the only place where rclpy and message types are imported."""
