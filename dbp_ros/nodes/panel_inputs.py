"""Subscriptions of the operator's page, which fill its snapshot.

States and diagnostics arrive a few times per second. Joint states, chunks and images are only
subscribed to while a page is open; the page takes the newest message of each at its own rate.
"""

import time
from collections import Counter
from functools import partial

from lifecycle_msgs.msg import TransitionEvent
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

from dbp_ros.diagnosis.node_rules import duplicate_nodes, missing_nodes, nodes_not_ok, policy_state
from dbp_ros.diagnosis.snapshot import NodeStatus, Snapshot, StreamSource
from dbp_ros.errors import CommandError, ObservationError
from dbp_ros.nodes.camera_images import ImageTransport, transport_of
from dbp_ros.nodes.conversions import ChunkReader, JointReader
from dbp_ros.nodes.node_reports import NODES, NodeReports
from dbp_ros.nodes.object_markers import scene_objects
from dbp_ros.nodes.panel_link import swap_of
from dbp_ros.nodes.pending_calls import PendingCalls
from dbp_ros.nodes.polled_subscriptions import PolledSubscriptions
from dbp_ros.nodes.qos import EVENTS, JOINT_STATES, SENSOR
from dbp_ros.nodes.ros_graph import RosGraph
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.panel.snapshot import CameraImage, SnapshotStore
from dbp_ros.sensing.joint_states import JointStateMerger
from dbp_ros.settings.robot import RobotDescription

CHUNKS, CHUNK_AGE_S = "action_chunk", 0.5
RULES = (missing_nodes, duplicate_nodes, nodes_not_ok, policy_state)


class PanelInputs:
    """Subscriptions of the page."""

    def __init__(
        self, node: Node, store: SnapshotStore, robot: RobotDescription, transport: str
    ) -> None:
        """Subscribe to states and diagnostics.

        Args:
            node: Node of the page.
            store: Receives the snapshot.
            robot: Description of the robot.
            transport: Name of the image transport.
        """
        self.ignored: Counter[str] = Counter()
        self._node, self._store, self._robot = node, store, robot
        self._namespace = node.get_namespace().rstrip("/")
        self._transport: ImageTransport = transport_of(transport)
        self._calls = PendingCalls(node)
        self._graph = RosGraph(node, self._namespace)
        self._reports = NodeReports(node, self._namespace, self._calls, store.update_state)
        steady = SteadyClock(node.get_clock())
        self._steady = steady
        self._chunks, self._joints = ChunkReader(robot.joints, steady), JointReader(robot.joints)
        self._merger = JointStateMerger(robot.joints)
        self._streams: PolledSubscriptions | None = None
        self._chunk_s = 0.0
        self._numbers: Counter[str] = Counter()
        subscribe_stateful(node, String, "policy/model", self._on_model)
        subscribe_stateful(node, Bool, "intervention", self._on_intervention)
        node.create_subscription(
            TransitionEvent, "policy/transition_event", self._on_transition, EVENTS
        )

    def poll(self, shown: bool) -> None:
        """Take the newest messages; the thread of the page calls this at its rate.

        Args:
            shown: Whether a page is open.
        """
        if shown and self._streams is None:
            self._streams = self._subscribe()
        elif not shown and self._streams is not None:
            self._streams.close()
            self._streams = None
            self._store.update(images={}, objects=(), chunk=None)
        if self._streams is not None:
            self._streams.poll()
            if time.monotonic() - self._chunk_s > CHUNK_AGE_S:
                self._store.update(chunk=None)

    def report(self) -> None:
        """Evaluate the diagnosis rules; the executor's thread calls this once per second."""
        self._calls.advance()
        own = self._namespace or "/"
        listed = Counter(
            name
            for name, namespace in self._node.get_node_names_and_namespaces()
            if namespace == own
        )
        statuses = self._reports.statuses({name: listed[name] for name in NODES})
        nodes: dict[str, NodeStatus] = {k: v for k, v in statuses.items() if k != "panel"}
        snapshot = Snapshot(
            place=f"ROS_DOMAIN_ID={self._node.context.get_domain_id()}",
            namespace=self._namespace,
            nodes=nodes,
            foreign=self._reports.foreign,
            chunks=StreamSource(self._graph.topic(self._node.resolve_topic_name(CHUNKS))),
        )
        findings = tuple(finding for rule in RULES for finding in rule(snapshot))
        self._store.update(nodes=nodes, findings=findings)

    def close(self) -> None:
        """Destroy the streams."""
        if self._streams is not None:
            self._streams.close()

    def _subscribe(self) -> PolledSubscriptions:
        streams = PolledSubscriptions(self._node)
        streams.subscribe(JointState, "joint_states", self._on_joint_states, JOINT_STATES)
        streams.subscribe(JointTrajectory, CHUNKS, self._on_chunk, SENSOR)
        streams.subscribe(JointTrajectory, "operator_chunk", self._on_chunk, SENSOR)
        streams.subscribe(MarkerArray, "simulation/objects", self._on_objects, SENSOR)
        for camera in self._robot.cameras:
            topic = self._transport.topic(self._node, camera)
            receive = partial(self._on_image, camera)
            streams.subscribe(self._transport.message_type, topic, receive, SENSOR)
        return streams

    def _on_joint_states(self, message: bytes) -> None:
        try:
            readings = self._joints.read(message)
            states = readings and self._merger.add(readings, self._steady.now_ns())
        except ObservationError:
            self.ignored["joint_states"] += 1
            return
        if states:
            self._store.update(positions=states.positions.copy())

    def _on_chunk(self, message: bytes) -> None:
        try:
            positions = self._chunks.read(message).positions
        except CommandError:
            self.ignored["action_chunk"] += 1
            return
        self._chunk_s = time.monotonic()
        self._store.update(chunk=positions)

    def _on_objects(self, message: bytes) -> None:
        self._store.update(objects=scene_objects(deserialize_message(message, MarkerArray)))

    def _on_image(self, camera: str, message: bytes) -> None:
        try:
            frame = self._transport.frame(message, self._steady)
        except ObservationError:
            self.ignored[camera] += 1
            return
        self._numbers[camera] += 1
        image = CameraImage(self._numbers[camera], frame.image)
        self._store.update(images={**self._store.read().images, camera: image})

    def _on_model(self, message: String) -> None:
        self._store.update(swap=swap_of(message.data))

    def _on_intervention(self, message: Bool) -> None:
        self._store.update(operator_control=bool(message.data))

    def _on_transition(self, message: TransitionEvent) -> None:
        self._reports.set_lifecycle(message.goal_state.label)
