"""Diagnosis of a running stack: rules that find faults in a snapshot, without ROS."""
