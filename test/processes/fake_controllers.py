"""Controllers as ros2_control has them: nodes with a lifecycle that read and write the hardware."""

from collections.abc import Iterator, Sequence

import numpy as np
from lifecycle_msgs.msg import State, Transition, TransitionEvent
from processes.fake_hardware import PERIOD_S, Hardware
from rclpy.context import Context
from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import Float64MultiArray

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
# Each transition: its id, the states it starts from, passes through and ends in, and the id of the
# second event, which has no label of its own.
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
# Two loops of the same rate beat: one cycle of the controller may span two commands.
BEAT = 2


class Controller(Node):
    """The lifecycle of a controller: configured when it is loaded, and switched by its manager.

    Attributes:
        state: Label of its state.
        claims: Whether it writes command interfaces, which one active controller may at a time.
        announces: Whether transitions are published; a subscriber may also miss them.
    """

    claims = True

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        joints: Sequence[str],
        context: Context,
        answers: bool = True,
    ) -> None:
        """Load and configure.

        Args:
            name: Of the node.
            hardware: Whose interfaces are read and written.
            joints: In the order of the controller's parameter.
            context: Of the manager's process.
            answers: Whether `~/get_parameters` is served.
        """
        super().__init__(
            name, context=context, enable_rosout=False, start_parameter_services=answers
        )
        self.hardware, self.joints = hardware, tuple(joints)
        self.announces = True
        self.state = UNCONFIGURED
        self._indices = hardware.indices(joints)
        self.declare_parameter("joints", list(joints))
        self._events = self.create_publisher(TransitionEvent, "~/transition_event", 10)
        self.perform("configure")

    def perform(self, transition: str) -> None:
        """Change the state and publish the two events of it."""
        number, (start, through, end), success = TRANSITIONS[transition]
        assert self.state == start, f"{transition} of {self.get_name()}, which is {self.state}"
        self._announce(number, transition, start, through)
        self._announce(success, "transition_success", through, end)
        self.state = end

    def update(self, now_ns: int) -> None:
        """Do the work of one cycle; called while active."""

    def _announce(self, number: int, label: str, start: str, goal: str) -> None:
        if self.announces:
            event = TransitionEvent(transition=Transition(id=number, label=label))
            event.start_state = State(id=STATE_IDS[start], label=start)
            event.goal_state = State(id=STATE_IDS[goal], label=goal)
            self._events.publish(event)


class ForwardController(Controller):
    """`forward_command_controller`: writes the newest message on `~/commands`, in its own order.

    Attributes:
        received: How many messages were written while active.
    """

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        joints: Sequence[str],
        context: Context,
        answers: bool = True,
        interface: str = "position",
    ) -> None:
        super().__init__(name, hardware, joints, context, answers)
        self.received = 0
        self.declare_parameter("interface_name", interface)
        self._commands = self.create_subscription(
            Float64MultiArray, "~/commands", lambda message: None, SENSOR
        )
        self._sequence: int | None = None

    @property
    def subscriptions(self) -> Iterator[Subscription]:
        """None for an executor: the update loop takes the commands, with their sequence numbers."""
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
            # The real one returns an error from its update, and its manager deactivates it.
            self.perform("deactivate")
        elif np.isfinite(values).all():
            self.hardware.write(self._indices, values, self._periods(sequence))
            self.received += 1

    def _take(self) -> tuple[Float64MultiArray, dict[str, int]] | None:
        with self._commands.handle:
            return self._commands.handle.take_message(self._commands.msg_type, False)

    def _periods(self, sequence: int) -> int:
        last, self._sequence = self._sequence, sequence
        return BEAT if last is None else max(1, sequence - last)


class TrajectoryController(Controller):
    """`joint_trajectory_controller`: moves some joints slowly, as MoveIt does.

    Attributes:
        target: Where its joints go. Shape of its joints.
    """

    SPEED = 0.5

    def perform(self, transition: str) -> None:
        super().perform(transition)
        if transition == "activate":
            self.target = self.hardware.commands[self._indices]

    def update(self, now_ns: int) -> None:
        here, step = self.hardware.commands[self._indices], self.SPEED * PERIOD_S
        self.hardware.write(self._indices, here + np.clip(self.target - here, -step, step))
