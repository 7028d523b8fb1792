"""Forward command controllers as in ros2_control, and the joint targets that they set."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.types import Array


class ForwardController:
    """Forward position controller; the joints hold the last command.

    An inactive controller ignores commands. A command of the wrong size deactivates it, a command
    that is not finite is dropped.

    Attributes:
        name: Name of the controller.
        joints: Its joints, in the order of its commands.
        active: Whether it forwards commands.
        problem: Reason of the last rejected command; empty if there was none since the activation.
        failed: Whether a command of the wrong size deactivated it.
        ignored_commands: Number of commands received while inactive.
        refused_commands: Number of commands of the wrong size, or not finite.
    """

    def __init__(self, name: str, joints: Sequence[str]) -> None:
        """Start active."""
        self.name, self.joints = name, tuple(joints)
        self.active = True
        self.problem = ""
        self.failed = False
        self.ignored_commands = self.refused_commands = 0

    @property
    def lifecycle_state(self) -> str:
        """Label of the lifecycle state."""
        return "active" if self.active else "inactive"

    def activate(self) -> None:
        """Forward commands from now on; the joints hold their targets until the first command."""
        self.active, self.failed, self.problem = True, False, ""

    def deactivate(self) -> None:
        """Ignore commands; the joints hold the last command."""
        self.active = False

    def clear(self) -> None:
        """Clear the problem of a dropped command; an inactive controller stays inactive."""
        if self.active:
            self.problem = ""

    def accept(self, positions: Array) -> bool:
        """Return whether to forward a command.

        Args:
            positions: In [rad] and [m], of any shape (n,).
        """
        if not self.active:
            self.ignored_commands += 1
            return False
        if len(positions) != len(self.joints):
            self.active, self.failed = False, True
            self.reject(f"expected {len(self.joints)} positions, got {len(positions)}")
            return False
        if not np.isfinite(positions).all():
            self.reject(f"expected {len(self.joints)} finite numbers, got {positions.tolist()}")
            return False
        return True

    def reject(self, reason: str) -> None:
        """Count a rejected command, and store the reason."""
        self.refused_commands += 1
        self.problem = f"{self.name}/commands: {reason}"

    @property
    def status(self) -> str:
        """Description of the problem; empty if there is none."""
        if self.active:
            return self.problem
        cause = f"{self.problem}; " if self.failed else ""
        return f"{cause}{self.name} is inactive: call {self.name}/activate"


class JointTargets:
    """Joint targets: commands of the controllers, or the position of a protective stop.

    One thread writes; any thread may read `positions`.
    """

    def __init__(self, positions: Array) -> None:
        """Hold a position.

        Args:
            positions: In [rad] and [m]. Shape (nu,).
        """
        self._commanded = positions.copy()
        self._stop_positions: Array | None = None

    @property
    def stopped(self) -> bool:
        """Whether a protective stop holds the arms."""
        return self._stop_positions is not None

    @property
    def positions(self) -> Array:
        """Targets in [rad] and [m]. Shape (nu,). Do not write to it."""
        stop = self._stop_positions
        return self._commanded if stop is None else stop

    def set(self, part: slice, positions: Array) -> None:
        """Set the command of some joints; a protective stop masks it until it ends."""
        targets = self._commanded.copy()
        targets[part] = positions
        self._commanded = targets

    def hold(self, positions: Array) -> None:
        """Set all targets after a reset of the cell; a protective stop holds them."""
        self._commanded = positions.copy()
        if self._stop_positions is not None:
            self._stop_positions = self._commanded

    def protective_stop(self, positions: Array | None) -> None:
        """Hold a position and mask the controllers, or release with None.

        After the release the arms move to the last commands of the controllers, as on a real
        robot.
        """
        self._stop_positions = None if positions is None else positions.copy()
