"""A controller of the simulated cell as a node with the interface of ros2_control.

It subscribes to `~/commands`, has the parameters `joints` and `interface_name`, and publishes
`~/transition_event`. The services `~/activate` and `~/deactivate` replace the controller manager
and need no messages of ros2_control.
"""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

from lifecycle_msgs.msg import State, Transition, TransitionEvent
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from dbp_ros.errors import CommandError
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.cdr import UNREADABLE, read_command
from dbp_ros.nodes.qos import SENSOR
from dbp_ros.sim.controllers import ForwardController
from dbp_ros.types import Array

# A switch takes place between two steps of the physics.
SWITCH_LIMIT_S = 2.0
EVENT_QUEUE = 10
STATE_IDS = {
    "active": State.PRIMARY_STATE_ACTIVE,
    "inactive": State.PRIMARY_STATE_INACTIVE,
    "activating": State.TRANSITION_STATE_ACTIVATING,
    "deactivating": State.TRANSITION_STATE_DEACTIVATING,
}
# The two events of each switch, as in rcl_lifecycle: transition, label, start, goal.
ACTIVATION = (
    (Transition.TRANSITION_ACTIVATE, "activate", "inactive", "activating"),
    (Transition.TRANSITION_ON_ACTIVATE_SUCCESS, "transition_success", "activating", "active"),
)
DEACTIVATION = (
    (Transition.TRANSITION_DEACTIVATE, "deactivate", "active", "deactivating"),
    (Transition.TRANSITION_ON_DEACTIVATE_SUCCESS, "transition_success", "deactivating", "inactive"),
)


class ControllerNode(Node):  # type: ignore[misc]
    """Node of one controller, whose commands the physics thread reads.

    Attributes:
        received_ns: Time of the last command, in [ns] of the steady clock.
    """

    def __init__(
        self, owner: Node, controller: ForwardController, on_command: Callable[[Array], None]
    ) -> None:
        """Create the topics, parameters and services.

        Args:
            owner: Node of the cell, whose namespace and remappings apply.
            controller: State of the controller.
            on_command: Called by `read` with each forwarded command.
        """
        namespace, _, name = _full_name(controller.name, owner).rpartition("/")
        super().__init__(
            name, namespace=namespace or "/", use_global_arguments=False, enable_rosout=False
        )
        self._owner, self._controller, self._forward = owner, controller, on_command
        self.received_ns = 0
        self._requested: bool | None = None
        self._switched = threading.Event()
        fixed = ParameterDescriptor(read_only=True)
        self.declare_parameter("joints", list(controller.joints), fixed)
        self.declare_parameter("interface_name", "position", fixed)
        self._events = self.create_publisher(TransitionEvent, "~/transition_event", EVENT_QUEUE)
        self._commands = self.create_subscription(
            Float64MultiArray,
            owner.resolve_topic_name(f"{controller.name}/commands"),
            lambda _: None,
            SENSOR,
            raw=True,
        )
        for service, active in (("activate", True), ("deactivate", False)):
            callback = diagnostics.trigger_callback(partial(self._switch, active))
            self.create_service(Trigger, f"~/{service}", callback)

    @property
    def subscriptions(self) -> Iterator[Subscription]:
        """No subscription for executors: `read` takes the commands."""
        return iter(())

    def read(self) -> None:
        """Switch if requested, else forward the newest command."""
        handle = self._commands.handle
        with handle:
            taken = handle.take_message(self._commands.msg_type, True)
        if taken is not None:
            self.received_ns = time.monotonic_ns()
        if self._requested is not None:
            # As in ros2_control, a command from before the switch is dropped.
            self._change(self._requested)
            self._requested = None
            self._switched.set()
        elif taken is not None:
            self._on_command(taken[0])

    def _on_command(self, message: bytes) -> None:
        try:
            positions = read_command(message)
        except UNREADABLE as error:
            self._controller.reject(f"cannot be read: {error}")
            return
        before = self._controller.active
        if self._controller.accept(positions):
            self._forward(positions)
        elif before and not self._controller.active:
            self._publish_events(DEACTIVATION)

    def _switch(self, active: bool) -> None:
        """Request a switch by the physics thread, and wait for it.

        Raises:
            CommandError: If the physics thread does not call `read`.
        """
        self._switched.clear()
        self._requested = active
        if not self._switched.wait(SWITCH_LIMIT_S):
            self._requested = None
            raise CommandError(
                f"{self._controller.name} was not switched within {SWITCH_LIMIT_S:g} s: "
                f"the physics is not running, see {self._owner.get_name()}/state"
            )

    def _change(self, active: bool) -> None:
        before = self._controller.active
        if active:
            self._controller.activate()
        else:
            self._controller.deactivate()
        if active != before:
            self._publish_events(ACTIVATION if active else DEACTIVATION)

    def _publish_events(self, events: tuple[tuple[int, str, str, str], ...]) -> None:
        for identifier, label, start, goal in events:
            self._events.publish(
                TransitionEvent(
                    timestamp=self._owner.get_clock().now().nanoseconds,
                    transition=Transition(id=identifier, label=label),
                    start_state=State(id=STATE_IDS[start], label=start),
                    goal_state=State(id=STATE_IDS[goal], label=goal),
                )
            )


def _full_name(controller: str, owner: Node) -> str:
    """Return the full name of a controller's node."""
    prefix = "" if controller.startswith("/") else f"{owner.get_namespace().rstrip('/')}/"
    return f"{prefix}{controller}"
