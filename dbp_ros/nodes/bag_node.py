"""Recorder of the topics of the stack in rosbag2 files (MCAP)."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.data.bag import BagTopic, EpisodeEnd
from dbp_ros.data.recorder import BagRecorder
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.camera_images import transport_of
from dbp_ros.nodes.learner_node import RECORDED
from dbp_ros.nodes.message_definitions import message_definition
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
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
        self._recorder = BagRecorder(Path(config.out), self._bag_topics(types), lambda _: None)
        for topic, message_type in types.items():
            callback = partial(self._record, topic)
            self.create_subscription(message_type, topic, callback, RECORDED, raw=True)
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

    def _bag_topics(self, types: dict[str, Any]) -> dict[str, BagTopic]:
        names = {
            topic: f"{cls.__module__.split('.')[0]}/msg/{cls.__name__}"
            for topic, cls in types.items()
        }
        return {
            topic: BagTopic(self.resolve_topic_name(topic), name, message_definition(name))
            for topic, name in names.items()
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
