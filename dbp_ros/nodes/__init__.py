"""ROS 2 nodes: the only package that imports rclpy and message types."""

from dbp_ros.ros_support import supported_distribution

# Evaluated before the imports of any node: an unsupported ROS 2 ends the process with one sentence.
ROS_DISTRO = supported_distribution()
