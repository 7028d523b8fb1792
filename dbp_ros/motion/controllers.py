"""State of the controllers that receive the commands."""

from collections.abc import Sequence

ACTIVE, INACTIVE, ACTIVATING = "active", "inactive", "activating"
POSITION = "position"
# A periodic report within this time of a transition may be older than the transition.
REPORT_LAG_NS = 1_500_000_000
# Longest time from the load of a controller to the next report of the controller manager.
REPORT_WAIT_NS = 2_500_000_000
# State after each transition state.
STATE_AFTER = {
    ACTIVATING: INACTIVE,
    "deactivating": INACTIVE,
    "configuring": "unconfigured",
    "cleaningup": "unconfigured",
    "shuttingdown": "finalized",
    "errorprocessing": "unconfigured",
}
END_PHRASES = {
    INACTIVE: "was deactivated",
    "unconfigured": "was unloaded",
    "finalized": "was shut down",
}


class ControllerState:
    """State of a forward command controller, from its transitions, reports and subscriptions.

    The `record_` methods return a sentence if the controller can no longer be commanded, and an
    empty string otherwise. Not thread-safe.

    Attributes:
        name: Name of the controller.
        topic: Topic of its commands.
    """

    def __init__(self, name: str, topic: str, joints: Sequence[str]) -> None:
        """Start with an unknown state.

        Args:
            name: Name of the controller.
            topic: Topic of its commands.
            joints: Expected joints, in the order of the command.
        """
        self.name = name
        self.topic = topic
        self._joints = tuple(joints)
        self._label = ""
        self._changed_ns = -REPORT_LAG_NS
        self._loaded_ns = -REPORT_WAIT_NS
        self._endpoints: frozenset[bytes] = frozenset()
        self._subscribers = 0
        self._named = False
        self._reported_joints: tuple[str, ...] | None = None
        self._interface = ""
        self._service_available = False

    def record_transition(self, label: str, now_ns: int) -> str:
        """Record a transition.

        Args:
            label: Label of the goal state.
            now_ns: Arrival time of the event.
        """
        self._changed_ns = now_ns
        return self._set_label(label)

    def record_report(self, label: str, now_ns: int) -> str:
        """Record the state in a periodic report, unless a transition may be newer."""
        if now_ns - self._changed_ns < REPORT_LAG_NS or label == self._label:
            return ""
        return self._set_label(label)

    def record_subscribers(self, endpoints: frozenset[bytes], subscribers: int, now_ns: int) -> str:
        """Record the subscriptions to the commands.

        Args:
            endpoints: Endpoint ids of the subscriptions of nodes with the controller's name.
            subscribers: Number of all subscriptions that may execute commands.
            now_ns: Time of the query.
        """
        new, had = endpoints - self._endpoints, self._endpoints
        # Beyond a controller of that name, other subscriptions only listen, such as a plot.
        self._named = bool(endpoints) or (self._named and subscribers > 0)
        if self._named and not endpoints:
            subscribers = 0
        vanished = self._subscribers > 0 and subscribers == 0
        self._endpoints, self._subscribers = endpoints, subscribers
        if new or vanished:
            # A reloaded controller may have other joints and another state.
            self._reported_joints, self._label, self._interface = None, "", ""
            self._loaded_ns = now_ns
        if vanished:
            return f"{self.name} is no longer loaded: it does not subscribe to {self.topic}"
        if new and had:
            return f"{self.name} was restarted"
        return f"{self.name} was loaded" if new else ""

    def record_parameters(self, joints: Sequence[str] | None, interface: str) -> str:
        """Record the parameters of the controller.

        Args:
            joints: Joints in the order of the command; None without such a parameter.
            interface: Command interface; empty without such a parameter.
        """
        self._reported_joints = self._joints if joints is None else tuple(joints)
        self._interface = interface
        return self._mismatch()

    def record_service(self, available: bool) -> None:
        """Record whether the parameter service of the controller is available."""
        self._service_available = available

    @property
    def has_parameters(self) -> bool:
        """Whether the parameters were received since the controller was loaded."""
        return self._reported_joints is not None

    def problem(self, now_ns: int) -> str:
        """Return why control cannot be enabled with this controller; empty if it can be."""
        if not self._subscribers:
            return f"{self.name} is not loaded, it does not subscribe to {self.topic}: load it"
        if self._label and self._label != ACTIVE:
            return f"{self.name} is {self._label}: activate it"
        # A node without parameters is a driver, but they may be discovered after its subscription.
        is_new = bool(self._endpoints) and now_ns - self._loaded_ns < REPORT_WAIT_NS
        if (self._service_available or is_new) and self._reported_joints is None:
            return f"{self.name} has not answered which joints it commands: try again in a moment"
        if mismatch := self._mismatch():
            return mismatch
        if is_new and not self._label:
            return f"{self.name} was found just now, and may be inactive: try again in a moment"
        return ""

    def _set_label(self, reported: str) -> str:
        label = STATE_AFTER.get(reported, reported)
        before, self._label = self._label, label
        if label in (ACTIVE, before):
            return ""
        if reported == ACTIVATING:
            return f"{self.name} was inactive until now, and is being activated"
        return f"{self.name} {END_PHRASES.get(label, f'is {label}')}"

    def _mismatch(self) -> str:
        if self._interface and self._interface != POSITION:
            return (
                f"{self.name} commands {self._interface}, expected {POSITION}: "
                f"set its interface_name to {POSITION}"
            )
        found, joints = self._reported_joints, self._joints
        if found is None or found == joints:
            return ""
        if len(found) != len(joints):
            return (
                f"{self.name} commands {len(found)} joints ({', '.join(found)}), controller_sizes "
                f"gives it {len(joints)} ({', '.join(joints)}): correct the settings of the guard "
                "or of it"
            )
        return (
            f"{self.name} commands {', '.join(found)} in this order, expected "
            f"{', '.join(joints)}: correct the joints of the controller, or of the guard"
        )
