"""Policies of LeRobot as ONNX graphs, without LeRobot."""
