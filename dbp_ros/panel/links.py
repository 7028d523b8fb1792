"""Interfaces of the page to the stack and to its other parts."""

from collections.abc import Callable
from typing import Literal, Protocol

from dbp_ros.types import Array

# Requests of an operator; each is a service, or the calls of a verb of `dbp`.
Action = Literal[
    "enable",
    "activate",
    "hold",
    "reset",
    "home",
    "new_episode",
    "reset_simulation",
    "begin_episode",
    "end_success",
    "end_failure",
    "discard_episode",
    "keep_last",
    "take_over",
    "give_back",
    "rollback",
]
# Requests that are accepted while another one runs: they bring the arms to rest or end a motion.
ALWAYS: tuple[Action, ...] = ("hold", "give_back")
Report = Callable[[str], None]


class StackLink(Protocol):
    """Actions of the page on the stack. Each method may be called by any thread."""

    def request(self, action: Action, report: Report) -> str:
        """Make one request and wait for its result; return a message for the user.

        Args:
            action: The request.
            report: Receives lines of progress.

        Raises:
            DbpError: If the stack rejects the request or does not respond.
        """

    def cancel_home(self) -> None:
        """End a motion to the start pose; the guard then holds the arms."""

    def emergency_stop(self, report: Report) -> None:
        """Stop the arms. It does not block; the result is reported later by another thread."""

    def set_speed_scaling(self, factor: float) -> None:
        """Publish the factor on the velocity limits of the guard."""

    def set_task(self, text: str) -> None:
        """Publish the task of the next episodes of the recorder."""

    def send_hand_target(self, arm: str, position: Array, wxyz: Array) -> None:
        """Publish the target pose of a hand.

        Args:
            arm: Name of the arm.
            position: In the frame of the root link, in [m]. Shape (3,).
            wxyz: Unit quaternion. Shape (4,).
        """

    def send_gripper(self, arm: str, opening: float) -> None:
        """Publish the target of a gripper, from 0 for closed to 1 for open."""

    def send_alive(self, arm: str) -> None:
        """Publish that the operator who drives an arm is connected."""


class RecorderLink(Protocol):
    """Recording of episodes."""

    @property
    def state(self) -> str:
        """State of the recorder; empty if it does not run."""

    def begin(self) -> str:
        """Begin an episode; return a message for the user."""

    def end(self, outcome: Literal["success", "failure", "discard"]) -> str:
        """End the episode; return a message for the user."""

    def keep_last(self) -> str:
        """Write the last seconds as an episode; return a message for the user."""

    def set_task(self, text: str) -> None:
        """Set the task of the next episodes."""


class RobotGhost(Protocol):
    """Translucent robot in the scene."""

    def show(self, positions: Array | None) -> None:
        """Show it at joint positions in [rad] and [m], shape (nu,); None hides it."""
