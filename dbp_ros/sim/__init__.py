"""A MuJoCo dual-arm cell: scene, tasks, cameras and scripted experts."""
