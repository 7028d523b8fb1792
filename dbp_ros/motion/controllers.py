"""What is known of the controllers that a robot's commands go to, and whether they can be used."""

from collections.abc import Sequence

ACTIVE, INACTIVE = "active", "inactive"
POSITION = "position"
# A periodic report may be older than a transition that was published just before.
REPORT_LAG_NS = 1_500_000_000
# After a controller was loaded, the next report of its manager is waited for.
REPORT_WAIT_NS = 2_500_000_000
# Where a transition that is under way leads to.
LEADS_TO = {
    "activating": INACTIVE,
    "deactivating": INACTIVE,
    "configuring": "unconfigured",
    "cleaningup": "unconfigured",
    "shuttingdown": "finalized",
    "errorprocessing": "unconfigured",
}
ENDED = {
    INACTIVE: "was deactivated",
    "unconfigured": "was unloaded",
    "finalized": "was shut down",
}


class ControllerState:
    """One forward command controller, as its transitions, reports and subscriptions show it.

    Every method that records something returns why the controller can no longer be commanded, as
    a sentence; empty where it can. Not thread-safe.

    Attributes:
        name: Name of the controller.
        topic: Topic of its commands.
    """

    def __init__(self, name: str, topic: str, joints: Sequence[str]) -> None:
        """Start without knowledge.

        Args:
            name: Name of the controller.
            topic: Topic of its commands.
            joints: Joints that it has to command, in the order of its command.
        """
        self.name = name
        self.topic = topic
        self._joints = tuple(joints)
        self._label = ""
        self._changed_ns = -REPORT_LAG_NS
        self._loaded_ns = -REPORT_WAIT_NS
        self._own: frozenset[bytes] = frozenset()
        self._subscribers = 0
        self._has: tuple[str, ...] | None = None
        self._interface = ""
        self._answers = False

    def transition(self, label: str, now_ns: int) -> str:
        """Record the state that a transition of the controller led to.

        Args:
            label: Label of the lifecycle state.
            now_ns: When the transition was received.
        """
        self._changed_ns = now_ns
        return self._become(label)

    def report(self, label: str, now_ns: int) -> str:
        """Record the state in a periodic report, unless a transition may be newer."""
        if now_ns - self._changed_ns < REPORT_LAG_NS or label == self._label:
            return ""
        return self._become(label)

    def subscribe(self, own: frozenset[bytes], subscribers: int, now_ns: int) -> str:
        """Record who subscribes to the commands.

        Args:
            own: Endpoints of the subscriptions that belong to a node of the controller's name.
            subscribers: Number of all subscriptions that may obey.
            now_ns: When that was looked up.
        """
        new, had = own - self._own, self._own
        gone = self._subscribers > 0 and subscribers == 0
        self._own, self._subscribers = own, subscribers
        if new or gone:
            # A controller that was loaded again may have other joints, and is in another state.
            self._has, self._label, self._interface = None, "", ""
            self._loaded_ns = now_ns
        if gone:
            return f"{self.name} is gone: nothing subscribes to {self.topic}"
        if new and had:
            return f"{self.name} was restarted"
        return f"{self.name} was loaded" if new else ""

    def describe(self, joints: Sequence[str] | None, interface: str) -> str:
        """Record the joints and the interface that the controller answered with.

        Args:
            joints: Its joints in the order of its command; None where it has no such parameter.
            interface: Its command interface; empty where it has no such parameter.
        """
        self._has = self._joints if joints is None else tuple(joints)
        self._interface = interface
        return self._mismatch()

    def expect_answer(self, expected: bool) -> None:
        """Record whether the controller can be asked for its joints."""
        self._answers = expected

    @property
    def is_described(self) -> bool:
        """Whether the controller answered with its joints since it was loaded."""
        return self._has is not None

    def problem(self, now_ns: int) -> str:
        """Return why control cannot be enabled with this controller; empty if it can."""
        if not self._subscribers:
            return f"{self.name} is not loaded, nothing subscribes to {self.topic}: load it"
        if self._label and self._label != ACTIVE:
            return f"{self.name} is {self._label}: activate it"
        if self._answers and self._has is None:
            return f"{self.name} has not answered which joints it commands: try again in a moment"
        if mismatch := self._mismatch():
            return mismatch
        if self._answers and not self._label and now_ns - self._loaded_ns < REPORT_WAIT_NS:
            return f"{self.name} was found just now, and may be inactive: try again in a moment"
        return ""

    def _become(self, label: str) -> str:
        label = LEADS_TO.get(label, label)
        before, self._label = self._label, label
        if label in (ACTIVE, before):
            return ""
        return f"{self.name} {ENDED.get(label, f'is {label}')}"

    def _mismatch(self) -> str:
        if self._interface and self._interface != POSITION:
            return (
                f"{self.name} commands {self._interface}, expected {POSITION}: "
                f"set its interface_name to {POSITION}"
            )
        if self._has is None or self._has == self._joints:
            return ""
        has, expected = ", ".join(self._has), ", ".join(self._joints)
        if len(self._has) != len(self._joints):
            return (
                f"{self.name} commands {len(self._has)} joints ({has}), controller_sizes gives it "
                f"{len(self._joints)} ({expected}): correct the settings of the guard or of it"
            )
        return (
            f"{self.name} commands {has} in this order, expected {expected}: correct the joints "
            "of the controller, or of the guard"
        )
