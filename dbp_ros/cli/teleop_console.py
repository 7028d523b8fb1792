"""Terminal of teleoperation: keys or a gamepad, and one line with the state."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from rich.console import Console

from dbp_ros.cli.terminal import status_line
from dbp_ros.errors import DbpError
from dbp_ros.teleop.joystick import Joystick
from dbp_ros.teleop.keyboard import GIVE_BACK, HELP, QUIT, STOP, TAKE_OVER, Keyboard
from dbp_ros.types import Array

# Time to wait for a key, and the period of a gamepad.
PERIOD_S = 0.02
ALIVE_S = 0.05


class Remote(Protocol):
    """Connection to the teleoperation node."""

    states: dict[str, str]

    def take_over(self) -> str:
        """Take control."""

    def give_back(self) -> str:
        """Return control."""

    def emergency_stop(self) -> str:
        """Stop the arms."""

    def spin(self, duration_s: float) -> None:
        """Process callbacks."""

    def publish_alive(self) -> None:
        """Report that the operator is present."""

    def publish_twist(self, arm: str, twist: Array) -> None:
        """Move a hand."""

    def publish_opening(self, arm: str, share: float) -> None:
        """Move a gripper."""

    def publish_joy(self, axes: Sequence[float], buttons: Sequence[int]) -> None:
        """Publish the state of a gamepad."""


class TeleopConsole:
    """Terminal that publishes the inputs of one operator until `q`."""

    def __init__(self, console: Console, remote: Remote, keyboard: Keyboard) -> None:
        """Prepare.

        Args:
            console: Where to print.
            remote: Connection to the teleoperation node.
            keyboard: Meaning of the keys.
        """
        self._console, self._remote, self._keyboard = console, remote, keyboard
        self._moving = ""
        self._alive_s = 0.0
        self._actions: Mapping[str, Callable[[], str]] = {
            TAKE_OVER: remote.take_over,
            GIVE_BACK: remote.give_back,
            STOP: remote.emergency_stop,
        }

    def run(self, read_key: Callable[[float], str], joystick: Joystick | None = None) -> None:
        """Publish inputs until `q`.

        Args:
            read_key: Waits for at most some seconds and returns a key, or an empty text.
            joystick: Gamepad; None for the keyboard alone.

        Raises:
            DbpError: If the gamepad is disconnected.
        """
        with status_line(self._console) as show:
            while True:
                text = read_key(PERIOD_S)
                key = self._keyboard.press(text, time.monotonic_ns())
                if key in QUIT and key:
                    break
                if key:
                    self._execute(key)
                self.publish(time.monotonic_ns())
                if joystick is not None:
                    joystick.poll()
                    self._remote.publish_joy(joystick.axes, joystick.buttons)
                self._remote.spin(0.0)
                show(self.line())

    def publish(self, now_ns: int) -> None:
        """Publish the motion of the pressed key, and its end; report the operator's presence."""
        keyboard, remote = self._keyboard, self._remote
        twist = keyboard.twist(now_ns)
        moving = keyboard.arm if twist.any() else ""
        if self._moving and self._moving != moving:
            remote.publish_twist(self._moving, 0.0 * twist)
        if moving:
            remote.publish_twist(moving, twist)
        self._moving = moving
        if keyboard.opening is not None:
            remote.publish_opening(keyboard.arm, keyboard.opening)
            keyboard.opening = None
        if 1e-9 * now_ns - self._alive_s >= ALIVE_S:
            self._alive_s = 1e-9 * now_ns
            remote.publish_alive()

    def line(self) -> str:
        """Return the state in one line."""
        states = (f"{name}: {state or '-'}" for name, state in self._remote.states.items())
        speed = f"{self._keyboard.speed:.0%} speed"
        return " | ".join((f"arm {self._keyboard.arm}, {speed}", *states))

    def _execute(self, key: str) -> None:
        if key not in self._actions:
            self._console.print("\n".join(HELP))
            return
        try:
            self._console.print(self._actions[key]())
        except DbpError as error:
            self._console.print(f"error: {error}")
