"""Subscriptions of the policy node: joint states and camera images."""

from functools import partial

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState

from dbp_ros.bundle.manifest import Manifest
from dbp_ros.errors import ObservationError
from dbp_ros.hotswap.model_slot import ModelSlot
from dbp_ros.nodes.camera_images import transport_of
from dbp_ros.nodes.conversions import JointReader
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.qos import JOINT_STATES, SENSOR
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.policy.observation_buffer import to_float32
from dbp_ros.sensing.camera_joints import check_camera_joints, describe_check
from dbp_ros.sensing.joint_states import JointStateMerger
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import seconds_to_ns


class PolicyInputs:
    """Subscriptions while a model is loaded; invalid messages are ignored with a warning.

    Attributes:
        problem: Problem of the joint states; empty if there is none.
    """

    def __init__(
        self, node: Node, config: PolicyConfig, clock: SteadyClock, ignored: IgnoredMessages
    ) -> None:
        """Prepare; `subscribe` subscribes.

        Raises:
            ConfigError: If `image_transport` or `camera_joints` is invalid.
        """
        check_camera_joints(config)
        self.problem = ""
        self._node, self._config, self._clock, self._ignored = node, config, clock, ignored
        self._transport = transport_of(config.image_transport)
        self._max_age_ns = seconds_to_ns(config.joint_state_max_age_s)
        self._subscriptions: list[Subscription] = []

    def subscribe(self, manifest: Manifest, slot: ModelSlot) -> None:
        """Subscribe to the inputs of a model and pass them to a slot."""
        joints, node, transport = manifest.joints, self._node, self._transport
        self._reader, self._merger = JointReader(joints), JointStateMerger(joints)
        self._slot = slot
        self._subscriptions = [
            node.create_subscription(
                JointState, "joint_states", self._on_joint_states, JOINT_STATES, raw=True
            ),
            *(
                node.create_subscription(
                    transport.message_type,
                    transport.topic(node, camera),
                    partial(self._on_image, camera),
                    SENSOR,
                    raw=True,
                )
                for camera in manifest.camera_names
            ),
        ]
        topics = ", ".join(s.topic_name for s in self._subscriptions)
        node.get_logger().info(f"subscribed to {topics}")
        for camera in manifest.camera_names:
            node.get_logger().info(describe_check(camera, joints, self._config))

    def unsubscribe(self) -> None:
        """Destroy the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self.problem = ""

    def _on_joint_states(self, message: bytes) -> None:
        arrival_ns = self._clock.now_ns()
        try:
            readings = self._reader.read(message)
            if readings is None:
                return
            states = self._merger.add(readings, arrival_ns)
            positions = None if states is None else to_float32(states.positions)
        except ObservationError as error:
            self._ignored.add("joint_states", str(error))
            return
        if states is None or positions is None:
            self.problem = self._merger.problem(arrival_ns, self._max_age_ns)
            return
        self.problem = ""
        stamp_ns = self._clock.steady_ns(states.stamp_ns)
        self._slot.add_joint_state(positions, stamp_ns, states.arrival_ns)

    def _on_image(self, camera: str, message: bytes) -> None:
        arrival_ns = self._clock.now_ns()
        try:
            frame = self._transport.frame(message, self._clock)
        except ObservationError as error:
            self._ignored.add(camera, str(error))
            return
        self._slot.submit_image(camera, frame, arrival_ns)
        latency = self._slot.execution.statistics.frame_latency
        latency.record_arrival(camera, frame.stamp_ns, arrival_ns, self._clock.now_ns())
