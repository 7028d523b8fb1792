"""A stack as it is seen from outside, at one moment: nodes, topics, clocks and controllers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Nodes of the stack that must run, and those that may.
REQUIRED = ("guard", "policy")
OPTIONAL = ("simulation", "learner", "bag", "model_sender")
# Lifecycle labels.
ACTIVE, INACTIVE = "active", "inactive"


@dataclass(frozen=True)
class NodeStatus:
    """One node of the stack.

    Attributes:
        name: Its name without the namespace.
        copies: How many nodes have this name; 0 where none runs.
        level: Level of its last diagnostics (0 OK, 1 WARN, 2 ERROR, 3 STALE); None if none arrived.
        sentence: Its last `~/state`.
        age_s: Time since its last diagnostics arrived, in [s]; None if none arrived.
        answers: Whether it answered a request for its parameters.
        lifecycle: Label of its lifecycle state; empty where it has none or did not answer.
        parameters: Those that it answered with.
        values: Values of its last diagnostics.
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
        """Whether it is listed, but showed no sign of life."""
        return self.copies > 0 and self.level is None and not self.answers


@dataclass(frozen=True)
class Endpoint:
    """A publisher or a subscriber of a topic.

    Attributes:
        node: Full name of its node.
        kind: Type of its messages.
        reliable: Whether it is reliable, and not best effort.
        latched: Whether it is transient local, and not volatile.
    """

    node: str
    kind: str = ""
    reliable: bool = False
    latched: bool = False


@dataclass(frozen=True)
class TopicStatus:
    """A topic and who is on it.

    Attributes:
        name: Its full name.
        publishers: Who publishes.
        subscribers: Who subscribes.
        rate_hz: Messages a second; None if it was not measured, 0 if none arrived.
    """

    name: str
    publishers: tuple[Endpoint, ...] = ()
    subscribers: tuple[Endpoint, ...] = ()
    rate_hz: float | None = None


@dataclass(frozen=True)
class TopicStream:
    """Messages of one publisher, told apart by their sequence numbers.

    Attributes:
        names: Joints in them; empty for messages without.
        rate_hz: How many arrive a second; 0 for a single one.
        stamp_age_s: Age of the newest stamp on arrival, in [s]; None without a clock or a stamp.
        stamp_problem: What is wrong with its stamps, as a sentence; empty if nothing is.
        problem: What is wrong with its content, as a sentence; empty if nothing is.
    """

    names: tuple[str, ...] = ()
    rate_hz: float = 0.0
    stamp_age_s: float | None = None
    stamp_problem: str = ""
    problem: str = ""


@dataclass(frozen=True)
class StreamSource:
    """A topic whose messages were read.

    Attributes:
        topic: The topic.
        streams: One for each publisher that sent something.
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
        name: Its name.
        topic: Topic of its commands.
        expected: Joints that the guard commands through it, in order.
        joints: Joints that it answered with; None if it did not answer.
        interface: Command interface that it answered with; empty if it did not answer.
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
    """Everything that the rules are about.

    Attributes:
        place: ROS domain and discovery range, in words.
        namespace: Namespace of the stack; empty for the root.
        nodes: Nodes of the stack, those that must run also if they do not.
        other_nodes: Full names of all other nodes.
        other_stacks: Namespaces of other guards in the domain.
        local_guards: Guards on this computer, in this domain and others, in words.
        elsewhere: Those of them in other ROS domains.
        undiscovered: Processes of this computer in the domain that did not answer discovery.
        joint_states: What the guard subscribes to for joint states.
        chunks: What the guard subscribes to for chunks.
        cameras: What the policy subscribes to for images.
        image_topics: Topics with a publisher of images, and their types.
        joint_topics: Topics with a publisher of joint states.
        command_topics: Topics with a subscriber of commands.
        controllers: Where the guard's commands go.
        clock: The topic `/clock`.
        foreign: Diagnostics of the controller manager that are not OK, in words.
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

    def full_name(self, name: str) -> str:
        """Return the full name of a node of the stack."""
        return f"{self.namespace}/{name}"
