"""Observation of a running stack: graph, states, diagnostics, parameters and topics.

It has no publishers, and no subscription of commands, which a guard would count as a controller.
From each camera it receives a few images only.
"""

import time
from functools import partial
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.diagnosis.snapshot import ControllerStatus, SimulatedClock, Snapshot, StreamSource
from dbp_ros.nodes.camera_images import TRANSPORTS, ImageTransport
from dbp_ros.nodes.discovery import undiscovered_participants
from dbp_ros.nodes.guard_inputs import OPERATOR_CHUNKS
from dbp_ros.nodes.node_reports import MANAGER, NODES, NodeReports
from dbp_ros.nodes.operator_client import OperatorClient
from dbp_ros.nodes.pending_calls import PendingCalls
from dbp_ros.nodes.qos import SENSOR
from dbp_ros.nodes.ros_graph import HIDDEN, JOINT_STATE, TRAJECTORY, RosGraph
from dbp_ros.nodes.topic_sampler import (
    RosTime,
    TopicSampler,
    image_reader,
    read_any,
    read_joint_state,
)
from dbp_ros.runtime.stop_socket import local_guards
from dbp_ros.types import NS_PER_S

# Diagnostics arrive at 1 Hz: the observation ends when every node has reported, or at the timeout.
OBSERVATION_S, EXTENSION_S = 0.8, 0.7
POLL_S, GRAPH_POLL_S = 0.01, 0.05
IMAGES = 8
CHUNK_MAX_AGE_S = 1.0
CONTROLLER_PARAMETERS = ("joints", "interface_name")
COMMANDS, COMMANDS_NAME = "std_msgs/msg/Float64MultiArray", "/commands"
IMAGE_KINDS: dict[str, ImageTransport] = {
    "sensor_msgs/msg/Image": TRANSPORTS["raw"],
    "sensor_msgs/msg/CompressedImage": TRANSPORTS["compressed"],
}


class StackProbe:
    """An observation of the stack in the namespace of an operator."""

    def __init__(self, operator: OperatorClient) -> None:
        """Subscribe to states and diagnostics of all nodes, and request their parameters."""
        self._operator = operator
        node = operator.node
        self._graph = RosGraph(node, operator.namespace)
        self._calls = PendingCalls(node)
        self._reports = NodeReports(node, operator.namespace, self._calls)
        # A node outside the executor, which would take the messages that are polled.
        self._polled = Node(
            f"{HIDDEN}{node.get_name()}_samples",
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._controllers: dict[str, dict[str, Any]] = {}
        self._samplers: dict[str, TopicSampler] = {}
        self._roles: dict[str, str] = {}
        self._ros_time = RosTime()
        self._clock: list[tuple[int, int]] = []
        self._clock_subscription = node.create_subscription(Clock, "/clock", self._on_clock, SENSOR)

    def snapshot(self) -> Snapshot:
        """Observe the stack until every node has reported or the timeout; return the snapshot."""
        start = time.monotonic()
        graph_read_s = 0.0
        while (elapsed := time.monotonic() - start) < OBSERVATION_S + EXTENSION_S:
            if elapsed >= OBSERVATION_S and not self._incomplete():
                break
            if elapsed - graph_read_s >= GRAPH_POLL_S:
                graph_read_s = elapsed
                self._read_graph()
            self._calls.advance()
            for sampler in self._samplers.values():
                sampler.poll()
            self._operator.spin(POLL_S)
        return self._assemble()

    def close(self) -> None:
        """Destroy all clients and subscriptions."""
        self._calls.close()
        self._reports.close()
        for sampler in self._samplers.values():
            sampler.close()
        self._operator.node.destroy_subscription(self._clock_subscription)
        self._polled.destroy_node()

    def _copies(self) -> dict[str, int]:
        names = self._graph.nodes()
        return {name: names.count(f"{self._operator.namespace}/{name}") for name in NODES}

    def _incomplete(self) -> bool:
        """Return whether a listed node has published no diagnostics yet."""
        if not all(self._reports.complete(*named) for named in self._copies().items()):
            return True
        managed = any(name.endswith(f"/{MANAGER}") for name in self._graph.nodes())
        return managed and not self._reports.activity

    def _read_graph(self) -> None:
        """Sample new topics, and request the parameters of new controllers."""
        graph, reports = self._graph, self._reports
        self._ros_time.simulated = reports.on_clock
        timeout_s = reports.parameter("guard", "joint_state_timeout_s", 0.1)
        for topic in graph.subscribed("guard", (JOINT_STATE,)):
            self._sample("joint_states", JointState, topic, read_joint_state, timeout_s)
        for topic in graph.subscribed("guard", (TRAJECTORY,)):
            role = "operator_chunks" if topic.endswith(OPERATOR_CHUNKS) else "chunks"
            self._sample(role, JointTrajectory, topic, read_any, CHUNK_MAX_AGE_S)
        max_age_s = reports.parameter("policy", "image_max_age_s", 0.2)
        for topic, kind in graph.subscribed("policy", IMAGE_KINDS).items():
            transport = IMAGE_KINDS[kind]
            read = image_reader(transport)
            self._sample("camera", transport.message_type, topic, read, max_age_s, IMAGES)
        for topic in graph.published("guard", COMMANDS):
            request = GetParameters.Request(names=list(CONTROLLER_PARAMETERS))
            service = f"{topic.removesuffix(COMMANDS_NAME)}/get_parameters"
            receive = partial(self._on_controller, topic)
            self._calls.add(GetParameters, service, request, receive)

    def _sample(
        self, role: str, kind: Any, topic: str, read: Any, max_age_s: float, max_messages: int = 0
    ) -> None:
        if topic not in self._samplers:
            self._roles[topic] = role
            self._samplers[topic] = TopicSampler(
                self._polled, kind, topic, read, self._ros_time, max_age_s, max_messages
            )

    def _on_clock(self, message: Clock) -> None:
        clock_ns = message.clock.sec * NS_PER_S + message.clock.nanosec
        self._clock.append((time.monotonic_ns(), clock_ns))
        self._ros_time.set(clock_ns)
        if factor := self._clock_factor():
            self._ros_time.real_time_factor = max(0.0, factor)

    def _clock_factor(self) -> float | None:
        if len(self._clock) < 2:
            return None
        (first_ns, first_clock_ns), (last_ns, clock_ns) = self._clock[0], self._clock[-1]
        return (clock_ns - first_clock_ns) / max(1, last_ns - first_ns)

    def _on_controller(self, topic: str, response: Any) -> None:
        if len(response.values) == len(CONTROLLER_PARAMETERS):
            values = map(parameter_value_to_python, response.values)
            self._controllers[topic] = dict(zip(CONTROLLER_PARAMETERS, values, strict=True))

    def _assemble(self) -> Snapshot:
        namespace = self._operator.namespace
        own = {f"{namespace}/{name}" for name in NODES}
        others = sorted(set(self._graph.nodes()) - own)
        domain = self._operator.node.context.get_domain_id()
        guards = local_guards()
        return Snapshot(
            place=self._operator.domain_and_range,
            namespace=namespace,
            nodes=self._reports.statuses(self._copies()),
            other_nodes=tuple(others),
            other_stacks=tuple(
                name.removesuffix("/guard") for name in others if name.endswith("/guard")
            ),
            local_guards=tuple(str(guard) for guard in guards if guard.domain == domain),
            undiscovered=undiscovered_participants(self._operator.node),
            elsewhere=tuple(str(guard) for guard in guards if guard.domain != domain),
            joint_states=next(iter(self._sources("joint_states")), None),
            chunks=next(iter(self._sources("chunks")), None),
            operator_chunks=next(iter(self._sources("operator_chunks")), None),
            cameras=tuple(self._sources("camera")),
            image_topics=self._graph.published_by_any(IMAGE_KINDS),
            joint_topics=tuple(self._graph.published_by_any((JOINT_STATE,))),
            command_topics=tuple(self._graph.subscribed_by_any(COMMANDS)),
            controllers=tuple(self._all_controllers()),
            clock=self._simulated_clock(),
            foreign=self._reports.foreign,
        )

    def _sources(self, role: str) -> list[StreamSource]:
        return [
            StreamSource(self._graph.topic(topic, sampler.rate_hz), sampler.streams)
            for topic, sampler in self._samplers.items()
            if self._roles[topic] == role
        ]

    def _all_controllers(self) -> list[ControllerStatus]:
        """Return the controllers of the guard, with their responses."""
        expected = self._expected_joints()
        statuses = []
        for topic in self._graph.published("guard", COMMANDS):
            name = topic.removesuffix(COMMANDS_NAME).rpartition("/")[2]
            response = self._controllers.get(topic, {})
            joints = response.get("joints")
            statuses.append(
                ControllerStatus(
                    name,
                    self._graph.topic(topic),
                    expected.get(name, ()),
                    None if joints is None else tuple(joints),
                    response.get("interface_name") or "",
                    self._reports.activity.get(name, ""),
                )
            )
        return statuses

    def _expected_joints(self) -> dict[str, tuple[str, ...]]:
        """Return the joints of each controller, from the parameters of the guard."""
        names, sizes, joints = (
            list(self._reports.parameter("guard", name, ()))
            for name in ("controllers", "controller_sizes", "joints")
        )
        expected = {}
        for name, size in zip(names, sizes, strict=False):
            expected[name.rpartition("/")[2]], joints = tuple(joints[:size]), joints[size:]
        return expected

    def _simulated_clock(self) -> SimulatedClock | None:
        topic = self._graph.topic("/clock")
        if not topic.publishers and not self._clock:
            return None
        elapsed_ns = self._clock[-1][0] - self._clock[0][0] if self._clock else 0
        rate_hz = (len(self._clock) - 1) * NS_PER_S / elapsed_ns if elapsed_ns else 0.0
        return SimulatedClock(self._graph.topic("/clock", rate_hz), self._clock_factor())
