"""Episodes: data set formats, selection of keys, and rosbag2 recordings."""
