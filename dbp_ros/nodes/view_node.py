"""Node that publishes what RViz and Foxglove show: the robot, and the chunk as paths of its hands.

It also reports links whose collision capsules overlap.

Its priority is low, and it reads only the newest messages at its own rate, so it slows nothing.
"""

import sys
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker, MarkerArray

from dbp_ros.errors import CommandError, ObservationError
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.conversions import ChunkReader, JointReader
from dbp_ros.nodes.markers import path_marker, robot_markers
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import JOINT_STATES, LATCHED, SENSOR
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.robots.check import urdf_of
from dbp_ros.robots.collision import Clearance, CollisionModel
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.niceness import lower_priority
from dbp_ros.runtime.realtime import apply_cpu_affinity
from dbp_ros.sensing.joint_states import JointStateMerger
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.settings.view import ViewConfig
from dbp_ros.types import Array

NICENESS = 10
DESCRIPTION = "robot_description"
# Time in which another publisher of the description is discovered, in [s].
SEARCH_S = 3.0


class ViewNode(Node):  # type: ignore[misc]
    """Node that publishes `robot_description` and markers."""

    def __init__(self) -> None:
        super().__init__("view")
        config = load_settings(self, ViewConfig)
        robot = read_robot(config.robot)
        urdf = urdf_of(config.robot)
        lower_priority(NICENESS)
        self.get_logger().info(apply_cpu_affinity(Role.BACKGROUND))
        self._robot, self._frame = robot, urdf.root
        self._arms = list(robot.arms)
        self._tips = Kinematics(urdf, robot.joints, [arm.tip for arm in robot.arms.values()])
        self._body = Kinematics(urdf, robot.joints, list(robot.collision_capsules))
        self._collisions = CollisionModel.of_robot(robot, urdf)
        self._clearance: Clearance | None = None
        steady = SteadyClock(self.get_clock())
        self._chunks, self._joints = ChunkReader(robot.joints, steady), JointReader(robot.joints)
        self._merger = JointStateMerger(robot.joints)
        self._steady = steady
        self._positions: Array | None = None
        self._chunk: bytes | None = None
        self._ignored = 0
        self._urdf = urdf.text
        steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._search = self.create_timer(SEARCH_S, self._publish_description, clock=steady_clock)
        self._chunk_topic = self.create_publisher(MarkerArray, "~/chunk", 1)
        self._robot_topic = self.create_publisher(MarkerArray, "~/robot", 1)
        self.create_subscription(
            JointState, "joint_states", self._on_joint_states, JOINT_STATES, raw=True
        )
        self.create_subscription(JointTrajectory, "action_chunk", self._on_chunk, SENSOR, raw=True)
        self._timer = self.create_timer(
            1.0 / config.view_rate_hz, self._publish, clock=steady_clock
        )
        diagnostics.DiagnosticsReporter(self, "view", self._state, self.statistics, lambda: None)

    def close(self) -> None:
        """Stop publishing."""
        self._timer.cancel()

    def statistics(self) -> dict[str, Any]:
        """Return the statistics, JSON-serialisable."""
        found: dict[str, Any] = {"ignored_messages": self._ignored}
        if self._clearance is not None:
            found["clearance_m"] = round(self._clearance.distance, 4)
            found["closest_links"] = list(self._clearance.links)
        return found

    def _publish_description(self) -> None:
        """Publish the description once, unless robot_state_publisher does."""
        self._search.cancel()
        if not self.count_publishers(DESCRIPTION):
            self._description = self.create_publisher(String, DESCRIPTION, LATCHED)
            self._description.publish(String(data=self._urdf))

    def _on_joint_states(self, message: bytes) -> None:
        try:
            readings = self._joints.read(message)
            states = readings and self._merger.add(readings, self._steady.now_ns())
        except ObservationError:
            self._ignored += 1
            return
        if states:
            self._positions = states.positions

    def _on_chunk(self, message: bytes) -> None:
        self._chunk = message

    def _publish(self) -> None:
        if self._positions is not None:
            self._clearance = self._collisions.clearance(self._positions)
        if self._positions is not None and self._robot_topic.get_subscription_count():
            poses = self._body.poses(self._positions)
            capsules = self._robot.collision_capsules
            markers = robot_markers(self._frame, self._body.links, poses, capsules)
            self._robot_topic.publish(self._array(markers))
        chunk, self._chunk = self._chunk, None
        if chunk is not None and self._chunk_topic.get_subscription_count():
            try:
                positions = self._chunks.read(chunk).positions
            except CommandError:
                self._ignored += 1
                return
            self._chunk_topic.publish(self._array(self._paths(positions)))

    def _paths(self, positions: Array) -> list[Marker]:
        """Return the path of each hand, from its present position on."""
        start = positions[:1] if self._positions is None else self._positions[None]
        poses = self._tips.poses(np.concatenate([start, positions]))
        return [
            path_marker(number, name, self._frame, poses[:, number, :3, 3])
            for number, name in enumerate(self._arms)
        ]

    def _array(self, markers: list[Marker]) -> MarkerArray:
        stamp = self.get_clock().now().to_msg()
        for marker in markers:
            marker.header.stamp = stamp
        return MarkerArray(markers=markers)

    def _state(self) -> tuple[bytes, str]:
        if self._positions is None:
            return diagnostics.WARN, "waiting for joint states"
        if self._clearance is not None and self._clearance.problem:
            return diagnostics.WARN, self._clearance.problem
        return diagnostics.OK, f"showing {self._robot.name}"


def main() -> int:
    """Run the view node."""
    return run_node(ViewNode)


if __name__ == "__main__":
    sys.exit(main())
