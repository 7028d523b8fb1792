"""Recorder of the topics of the stack in rosbag2 files (MCAP)."""

import sys
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.data.bags.bag import EpisodeEnd
from dbp_ros.data.recording.recorder import BagRecorder
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.camera_images import transport_of
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.recorded_topics import RecordedTopic, bag_topics, subscribe_recorded
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.realtime import apply_cpu_affinity
from dbp_ros.settings.learner import BagConfig


class BagNode(Node):  # type: ignore[misc]
    """Node that passes serialised messages to a `BagRecorder`."""

    def __init__(self) -> None:
        super().__init__("bag")
        config = load_settings(self, BagConfig)
        types: dict[str, Any] = {"joint_states": JointState, "action_chunk": JointTrajectory}
        images = transport_of(config.image_transport)
        types |= {images.topic(self, camera): images.message_type for camera in config.cameras}
        types |= {f"{name}/commands": Float64MultiArray for name in config.controllers}
        self.get_logger().info(apply_cpu_affinity(Role.BACKGROUND))
        self._bytes = self._messages = 0
        topics = {topic: RecordedTopic(kind, topic) for topic, kind in types.items()}
        self._recorder = BagRecorder(Path(config.out), bag_topics(self, topics), lambda _: None)
        subscribe_recorded(self, topics, self._record)
        self._begin()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(config.bag_s, self._split, clock=steady)
        diagnostics.DiagnosticsReporter(self, "bag", self._state, self.statistics, lambda: None)

    def close(self) -> None:
        """End the bag and flush it to the disk."""
        self._end()
        self._recorder.close()

    def statistics(self) -> dict[str, Any]:
        """Return the statistics, JSON-serialisable."""
        return {
            "messages": self._messages,
            "bytes": self._bytes,
            "dropped_messages": self._recorder.dropped,
        }

    def _record(self, topic: str, data: bytes) -> None:
        self._messages += 1
        self._bytes += len(data)
        self._recorder.record(topic, data, self._now_ns())

    def _split(self) -> None:
        self._end()
        self._begin()

    def _begin(self) -> None:
        self._recorder.begin({"recorded_by": "bag"})

    def _end(self) -> None:
        self._recorder.end(EpisodeEnd("failure", "operator", self._now_ns()))

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _state(self) -> tuple[bytes, str]:
        if self._recorder.error is not None:
            return diagnostics.ERROR, f"the {self._recorder.name} failed: {self._recorder.error}"
        return diagnostics.OK, f"recording bag {self._recorder.number}"


def main() -> int:
    """Run the bag node."""
    return run_node(BagNode)


if __name__ == "__main__":
    sys.exit(main())
