"""Episodes: data formats, selection, and rosbag2 recordings."""
