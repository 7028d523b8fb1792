"""Snapshot of a stack: nodes, topics, clocks and controllers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Required and optional nodes of the stack.
REQUIRED = ("guard", "policy")
SIMULATION = "simulation"
OPTIONAL = (SIMULATION, "learner", "recorder", "model_sender", "view", "teleop", "panel")
# Lifecycle labels.
ACTIVE, INACTIVE = "active", "inactive"


@dataclass(frozen=True)
class NodeStatus:
    """One node of the stack.

    Attributes:
        name: Name without the namespace.
        copies: Number of nodes with this name; 0 if it does not run.
        level: Level of the last diagnostics (0 OK, 1 WARN, 2 ERROR, 3 STALE); None without any.
        sentence: Last `~/state`.
        age_s: Time since the last diagnostics arrived, in [s]; None without any.
        answers: Whether it responded to a request for its parameters.
        lifecycle: Label of the lifecycle state; empty if it has none or did not respond.
        parameters: Parameters in its response.
        values: Values of the last diagnostics.
    """

    name: str
    copies: int = 0
    level: int | None = None
    sentence: str = ""
    age_s: float | None = None
    answers: bool = False
    lifecycle: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def silent(self) -> bool:
        """Whether it is listed but does not respond."""
        return self.copies > 0 and self.level is None and not self.answers


@dataclass(frozen=True)
class Endpoint:
    """A publisher or subscriber of a topic.

    Attributes:
        node: Full name of the node.
        kind: Message type.
        reliable: Whether it is reliable; otherwise best effort.
        latched: Whether it is transient local; otherwise volatile.
    """

    node: str
    kind: str = ""
    reliable: bool = False
    latched: bool = False


@dataclass(frozen=True)
class TopicStatus:
    """A topic with its endpoints.

    Attributes:
        name: Full name.
        publishers: Its publishers.
        subscribers: Its subscribers.
        rate_hz: Message rate; None if not measured, 0 if no message arrived.
    """

    name: str
    publishers: tuple[Endpoint, ...] = ()
    subscribers: tuple[Endpoint, ...] = ()
    rate_hz: float | None = None


@dataclass(frozen=True)
class TopicStream:
    """Messages of one publisher, identified by their sequence numbers.

    Attributes:
        names: Names of the joints; empty for other messages.
        rate_hz: Message rate; 0 for a single message.
        stamp_age_s: Age of the newest timestamp on arrival, in [s]; None if unknown.
        stamp_problem: Fault of its timestamps; empty if there is none.
        problem: Fault of its content; empty if there is none.
        message_bytes: Size of the largest message.
        lost_share: Share of the messages that did not arrive, by their sequence numbers.
    """

    names: tuple[str, ...] = ()
    rate_hz: float = 0.0
    stamp_age_s: float | None = None
    stamp_problem: str = ""
    problem: str = ""
    message_bytes: int = 0
    lost_share: float = 0.0


@dataclass(frozen=True)
class StreamSource:
    """A topic with a sample of its messages.

    Attributes:
        topic: The topic.
        streams: One for each publisher with a message.
    """

    topic: TopicStatus
    streams: tuple[TopicStream, ...] = ()


@dataclass(frozen=True)
class SimulatedClock:
    """The topic `/clock`.

    Attributes:
        topic: The topic.
        real_time_factor: Seconds of simulation time per second of wall time; None with fewer than
            two messages.
    """

    topic: TopicStatus
    real_time_factor: float | None = None


@dataclass(frozen=True)
class ControllerStatus:
    """A forward command controller.

    Attributes:
        name: Name of the controller.
        topic: Command topic.
        expected: Joints that the guard commands through it, in order.
        joints: Joints in its response; None without a response.
        interface: Command interface in its response; empty without a response.
        activity: Lifecycle label in the diagnostics of the controller manager; empty if unknown.
    """

    name: str
    topic: TopicStatus
    expected: tuple[str, ...] = ()
    joints: tuple[str, ...] | None = None
    interface: str = ""
    activity: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Input of the diagnosis rules.

    Attributes:
        place: ROS domain and discovery range, as text.
        namespace: Namespace of the stack; empty for the root.
        nodes: Nodes of the stack by name, including required ones that do not run.
        other_nodes: Full names of all other nodes.
        other_stacks: Namespaces of other guards in the domain.
        local_guards: Guards on this computer in this domain, as text.
        elsewhere: Guards on this computer in other domains, as text.
        undiscovered: Number of local processes in the domain that were not discovered.
        joint_states: Joint state topic of the guard.
        chunks: Action chunk topic of the guard.
        operator_chunks: Operator chunk topic of the guard.
        cameras: Image topics of the policy.
        image_topics: All image topics with a publisher, and their types.
        joint_topics: All joint state topics with a publisher.
        command_topics: All command topics with a subscriber.
        controllers: Controllers of the guard.
        clock: The topic `/clock`.
        foreign: Diagnostics of the controller manager that are not OK, as text.
    """

    place: str = ""
    namespace: str = ""
    nodes: Mapping[str, NodeStatus] = field(default_factory=dict)
    other_nodes: tuple[str, ...] = ()
    other_stacks: tuple[str, ...] = ()
    local_guards: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    undiscovered: int = 0
    joint_states: StreamSource | None = None
    chunks: StreamSource | None = None
    operator_chunks: StreamSource | None = None
    cameras: tuple[StreamSource, ...] = ()
    image_topics: Mapping[str, str] = field(default_factory=dict)
    joint_topics: tuple[str, ...] = ()
    command_topics: tuple[str, ...] = ()
    controllers: tuple[ControllerStatus, ...] = ()
    clock: SimulatedClock | None = None
    foreign: tuple[str, ...] = ()

    @property
    def guard(self) -> NodeStatus:
        """The guard."""
        return self.nodes.get("guard", NodeStatus("guard"))

    @property
    def policy(self) -> NodeStatus:
        """The policy."""
        return self.nodes.get("policy", NodeStatus("policy"))

    @property
    def is_simulated(self) -> bool:
        """Whether the simulated cell runs in the stack."""
        return self.nodes.get(SIMULATION, NodeStatus(SIMULATION)).copies > 0

    def full_name(self, name: str) -> str:
        """Return the full name of a node of the stack."""
        return f"{self.namespace}/{name}"
