"""Take-over state machine: when the inputs of an operator move the arms."""

from enum import Enum

import numpy as np

from dbp_ros.guard_state import GuardMode, GuardState
from dbp_ros.types import Array, seconds_to_ns

# A grant appears in the state of the guard within this time.
GRANT_NS = seconds_to_ns(1.0)
# Commands older than this are not the present ones.
FRESH_NS = seconds_to_ns(0.1)
# Commands rest after they have not changed for this time.
REST_NS = seconds_to_ns(0.03)
# Distance of the targets from the commands, in [rad] or [m], at which driving starts again from
# the commands: the guard does not follow, or has reanchored a joint.
MAX_LEAD = 0.3
REMEDIES: dict[GuardMode | None, str] = {
    GuardMode.DISABLED: ": dbp enable",
    GuardMode.STOPPED: ": dbp reset, then dbp enable",
    None: "silent: check that it runs",
}


class Phase(Enum):
    """Phase of a session."""

    IDLE = "not in control"
    SETTLING = "in control: waiting for the arms to rest"
    BLOCKED = "in control: the guard does not follow"
    DRIVING = "in control"


class Session:
    """State of teleoperation from a take-over to the return of control.

    After a take-over the guard brings the arms to rest. The targets then start at the command at
    which they rest, so nothing moves until an input does. All times are on the steady clock.

    Attributes:
        phase: Present phase.
        guard: Newest state of the guard.
        lost: Whether control was returned, but not by this node.
    """

    def __init__(self) -> None:
        """Start without control."""
        self.phase = Phase.IDLE
        self.guard = GuardState()
        self._granted_ns, self.lost = 0, False
        self._command: Array | None = None
        self._commanded_ns = self._changed_ns = 0

    def begin(self, now_ns: int) -> None:
        """Record that the guard granted control."""
        # Control may have been returned and taken again within the time of a grant.
        if self.phase is Phase.IDLE or not self.guard.operator_control:
            self.phase = Phase.SETTLING
        self._granted_ns = self._changed_ns = now_ns
        self.lost = False

    def end(self) -> None:
        """Record that control was returned."""
        self.phase, self.lost = Phase.IDLE, False

    def add_command(self, command: Array, now_ns: int) -> None:
        """Record a command of the guard. Shape (nu,)."""
        gap = now_ns - self._commanded_ns > FRESH_NS
        if self._command is None or gap or not np.array_equal(command, self._command):
            self._changed_ns = now_ns
        self._command, self._commanded_ns = command, now_ns

    def update(self, targets: Array, now_ns: int) -> Array | None:
        """Advance the phase; return a command at which the targets must start, if they must.

        Args:
            targets: Present targets. Shape (nu,).
            now_ns: Present time.
        """
        if self.phase is Phase.IDLE:
            return None
        if not self.guard.operator_control and now_ns - self._granted_ns > GRANT_NS:
            self.end()
            self.lost = True
            return None
        if self.guard.inactive or self.guard.mode is None:
            self.phase = Phase.BLOCKED
            return None
        command = self._command if now_ns - self._commanded_ns <= FRESH_NS else None
        if command is None:
            self.phase = Phase.BLOCKED
            return None
        if self.phase is Phase.DRIVING:
            if np.abs(targets - command).max() > MAX_LEAD:
                self.phase = Phase.SETTLING
            return None
        self.phase = Phase.SETTLING
        if now_ns - self._changed_ns < REST_NS:
            return None
        self.phase = Phase.DRIVING
        return command

    @property
    def in_control(self) -> bool:
        """Whether the guard follows the chunks of this session."""
        return self.phase is not Phase.IDLE

    @property
    def sentence(self) -> str:
        """State as text."""
        if self.phase is Phase.IDLE and self.guard.operator_control:
            return "not in control, but an operator has: take over, or give back"
        if self.lost:
            return "not in control: control was returned, or the guard was restarted"
        if self.phase is Phase.BLOCKED:
            remedy = REMEDIES.get(self.guard.mode, "")
            return f"in control, but the guard is {self.guard}{remedy}"
        return str(self.phase.value)
