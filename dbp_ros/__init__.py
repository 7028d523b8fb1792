"""Real-time control of robots by one-step drift-based policies (arXiv 2604.03540) on ROS 2."""

__version__ = "0.1.0"
