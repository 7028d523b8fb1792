"""Forward command controllers as ros2_control has them, and the arms that take their commands."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.types import Array


class ForwardController:
    """A forward command controller: it passes positions on, and the joints hold the last ones.

    While it is inactive it ignores what it receives. A command of the wrong size makes it inactive
    until it is activated again; one that is not finite is dropped.

    Attributes:
        name: Name of the controller.
        joints: Its joints, in the order of its commands.
        active: Whether it passes commands on.
        problem: Why the last command was refused; empty where none was since the activation.
        failed: Whether a command of the wrong size made it inactive.
        ignored_commands: Commands received while inactive.
        refused_commands: Commands of the wrong size, or not finite.
    """

    def __init__(self, name: str, joints: Sequence[str]) -> None:
        """Start active."""
        self.name, self.joints = name, tuple(joints)
        self.active = True
        self.problem = ""
        self.failed = False
        self.ignored_commands = self.refused_commands = 0

    @property
    def label(self) -> str:
        """The lifecycle label of its state."""
        return "active" if self.active else "inactive"

    def activate(self) -> None:
        """Pass on the commands that come from now on; the joints hold until the first."""
        self.active, self.failed, self.problem = True, False, ""

    def deactivate(self) -> None:
        """Ignore commands; the joints hold the last one."""
        self.active = False

    def clear(self) -> None:
        """Forget a command that was dropped; an inactive controller stays inactive."""
        if self.active:
            self.problem = ""

    def accept(self, positions: Array) -> bool:
        """Return whether a command goes on to the joints.

        Args:
            positions: In [rad] and [m], of any shape (n,).
        """
        if not self.active:
            self.ignored_commands += 1
            return False
        if len(positions) != len(self.joints):
            self.active, self.failed = False, True
            self.refuse(f"expected {len(self.joints)} positions, got {len(positions)}")
            return False
        if not np.isfinite(positions).all():
            self.refuse(f"expected {len(self.joints)} finite numbers, got {positions.tolist()}")
            return False
        return True

    def refuse(self, reason: str) -> None:
        """Drop a command, and keep the reason as the problem."""
        self.refused_commands += 1
        self.problem = f"{self.name}/commands: {reason}"

    @property
    def state(self) -> str:
        """One sentence on what is wrong; empty where nothing is."""
        if self.active:
            return self.problem
        cause = f"{self.problem}; " if self.failed else ""
        return f"{cause}{self.name} is inactive: call {self.name}/activate"


class ArmTargets:
    """The targets of the joints: what controllers passed on, or the position of a protective stop.

    One thread sets commands; any thread may read `positions`.

    Attributes:
        stopped: Whether the arms ignore the controllers and hold.
    """

    def __init__(self, positions: Array) -> None:
        """Hold a position.

        Args:
            positions: In [rad] and [m]. Shape (nu,).
        """
        self._commanded = positions.copy()
        self._held: Array | None = None

    @property
    def stopped(self) -> bool:
        """Whether a protective stop holds the arms."""
        return self._held is not None

    @property
    def positions(self) -> Array:
        """Targets in [rad] and [m]. Shape (nu,). Do not write to it."""
        held = self._held
        return self._commanded if held is None else held

    def set(self, part: slice, positions: Array) -> None:
        """Set the command of some joints. It has no effect before a protective stop ends."""
        targets = self._commanded.copy()
        targets[part] = positions
        self._commanded = targets

    def hold(self, positions: Array) -> None:
        """Start from a position, as after a reset of the cell. A protective stop goes on there."""
        self._commanded = positions.copy()
        if self._held is not None:
            self._held = self._commanded

    def protective_stop(self, positions: Array | None) -> None:
        """Hold a position whatever the controllers pass on; None lets the arms obey again.

        The controllers keep their last commands, to which the arms go when they obey again: a real
        robot does the same.
        """
        self._held = None if positions is None else positions.copy()
