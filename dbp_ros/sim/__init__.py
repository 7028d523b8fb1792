"""A MuJoCo dual-arm cell: scene, tasks, cameras and scripted experts."""

from dbp_ros.sim import gl as gl
