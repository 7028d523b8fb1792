"""Fake controllers of ros2_control: lifecycle nodes that read and write the hardware."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from lifecycle_msgs.msg import State, Transition, TransitionEvent
from processes.fake_hardware import PERIOD_S, Hardware
from rclpy.context import Context
from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.nodes.qos import SENSOR

UNCONFIGURED, INACTIVE, ACTIVE, FINALIZED = "unconfigured", "inactive", "active", "finalized"
STATE_IDS = {
    UNCONFIGURED: State.PRIMARY_STATE_UNCONFIGURED,
    INACTIVE: State.PRIMARY_STATE_INACTIVE,
    ACTIVE: State.PRIMARY_STATE_ACTIVE,
    FINALIZED: State.PRIMARY_STATE_FINALIZED,
    "configuring": State.TRANSITION_STATE_CONFIGURING,
    "cleaningup": State.TRANSITION_STATE_CLEANINGUP,
    "activating": State.TRANSITION_STATE_ACTIVATING,
    "deactivating": State.TRANSITION_STATE_DEACTIVATING,
    "shuttingdown": State.TRANSITION_STATE_SHUTTINGDOWN,
}
# Per transition: its id, start, transition and goal state, and the id of the second event.
TRANSITIONS = {
    "configure": (
        Transition.TRANSITION_CONFIGURE,
        (UNCONFIGURED, "configuring", INACTIVE),
        Transition.TRANSITION_ON_CONFIGURE_SUCCESS,
    ),
    "cleanup": (
        Transition.TRANSITION_CLEANUP,
        (INACTIVE, "cleaningup", UNCONFIGURED),
        Transition.TRANSITION_ON_CLEANUP_SUCCESS,
    ),
    "activate": (
        Transition.TRANSITION_ACTIVATE,
        (INACTIVE, "activating", ACTIVE),
        Transition.TRANSITION_ON_ACTIVATE_SUCCESS,
    ),
    "deactivate": (
        Transition.TRANSITION_DEACTIVATE,
        (ACTIVE, "deactivating", INACTIVE),
        Transition.TRANSITION_ON_DEACTIVATE_SUCCESS,
    ),
    "shutdown": (
        Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
        (UNCONFIGURED, "shuttingdown", FINALIZED),
        Transition.TRANSITION_ON_SHUTDOWN_SUCCESS,
    ),
}
# One cycle of the controller may receive two commands of a loop with the same rate.
MAX_PERIODS = 2


class Controller(Node):
    """Controller with a lifecycle: configured when loaded, switched by the manager.

    Attributes:
        state: Label of the lifecycle state.
        claims: Whether it claims command interfaces, as one active controller at a time may.
        publishes_transitions: Whether transition events are published.
    """

    claims = True
    # A controller without topics has nothing to discover.
    is_matched = True

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        joints: Sequence[str],
        context: Context,
        serves_parameters: bool = True,
    ) -> None:
        """Load and configure.

        Args:
            name: Name of the node.
            hardware: Hardware to read and write.
            joints: Joints in the order of the command.
            context: Context of the manager's process.
            serves_parameters: Whether `~/get_parameters` is available.
        """
        super().__init__(
            name, context=context, enable_rosout=False, start_parameter_services=serves_parameters
        )
        self.hardware, self.joints = hardware, tuple(joints)
        self.publishes_transitions = True
        self.state = UNCONFIGURED
        self._indices = hardware.indices(joints)
        self.declare_parameter("joints", list(joints))
        self._events = self.create_publisher(TransitionEvent, "~/transition_event", 10)
        self.perform("configure")

    def perform(self, transition: str) -> None:
        """Change the state and publish the two events."""
        number, (start, through, end), success = TRANSITIONS[transition]
        assert self.state == start, f"{transition} of {self.get_name()}, which is {self.state}"
        self._publish_event(number, transition, start, through)
        self._publish_event(success, "transition_success", through, end)
        self.state = end

    def update(self, now_ns: int) -> None:
        """Update one cycle, while active."""

    def _publish_event(self, number: int, label: str, start: str, goal: str) -> None:
        if self.publishes_transitions:
            event = TransitionEvent(transition=Transition(id=number, label=label))
            event.start_state = State(id=STATE_IDS[start], label=start)
            event.goal_state = State(id=STATE_IDS[goal], label=goal)
            self._events.publish(event)


class ForwardController(Controller):
    """Fake `forward_command_controller`: writes the newest command, in its own joint order.

    Attributes:
        received: Number of commands written while active.
    """

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        joints: Sequence[str],
        context: Context,
        serves_parameters: bool = True,
        interface: str = "position",
    ) -> None:
        super().__init__(name, hardware, joints, context, serves_parameters)
        self.received = 0
        self.declare_parameter("interface_name", interface)
        self._commands = self.create_subscription(
            Float64MultiArray, "~/commands", lambda message: None, SENSOR
        )
        self._sequence: int | None = None

    @property
    def is_matched(self) -> bool:
        """Whether a publisher of commands is discovered; commands before that are lost."""
        return bool(self._commands.get_publisher_count())

    @property
    def subscriptions(self) -> Iterator[Subscription]:
        """Empty for an executor, as the update loop takes the messages."""
        return iter(())

    def perform(self, transition: str) -> None:
        super().perform(transition)
        if transition == "activate":
            self._take()
            self._sequence = None

    def update(self, now_ns: int) -> None:
        taken = self._take()
        if taken is None:
            return
        values, sequence = np.array(taken[0].data), taken[1]["publication_sequence_number"]
        if len(values) != len(self.joints):
            # The real update returns an error, and the manager deactivates the controller.
            self.perform("deactivate")
        elif np.isfinite(values).all():
            resumes, periods = self._sequence is None, self._periods(sequence)
            self.hardware.write(self._indices, values, periods, resumes)
            self.received += 1

    def _take(self) -> tuple[Float64MultiArray, dict[str, int]] | None:
        with self._commands.handle:
            return self._commands.handle.take_message(self._commands.msg_type, False)

    def _periods(self, sequence: int) -> int:
        last, self._sequence = self._sequence, sequence
        return MAX_PERIODS if last is None else max(1, sequence - last)


class TrajectoryController(Controller):
    """Fake `joint_trajectory_controller`: moves to the last point of a trajectory, slowly.

    Attributes:
        target: Target of its joints. Shape (joints,).
    """

    SPEED = 0.5

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.create_subscription(JointTrajectory, "~/joint_trajectory", self._on_trajectory, 10)

    def perform(self, transition: str) -> None:
        super().perform(transition)
        if transition == "activate":
            self.target = self.hardware.commands[self._indices]

    def update(self, now_ns: int) -> None:
        here, step = self.hardware.commands[self._indices], self.SPEED * PERIOD_S
        self.hardware.write(self._indices, here + np.clip(self.target - here, -step, step))

    def _on_trajectory(self, message: JointTrajectory) -> None:
        assert tuple(message.joint_names) == self.joints
        times_s = [p.time_from_start.sec + 1e-9 * p.time_from_start.nanosec for p in message.points]
        assert times_s == sorted(set(times_s)), "times must increase"
        if self.state == ACTIVE:
            self.target = np.array(message.points[-1].positions)
