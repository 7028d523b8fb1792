"""Terminal of teleoperation: keys or a gamepad, and one line with the state."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from rich.console import Console

from dbp_ros.cli.terminal import status_line
from dbp_ros.errors import DbpError
from dbp_ros.teleop.joystick import Joystick
from dbp_ros.teleop.keyboard import GIVE_BACK, HELP, QUIT, STOP, TAKE_OVER, Keyboard
from dbp_ros.types import NS_PER_S, Array

# Time to wait for a key, and the period of a gamepad.
PERIOD_S = 0.02
# A gripper has reached its opening within this time.
GRIPPER_NS = 3 * NS_PER_S


class Remote(Protocol):
    """Connection to the teleoperation node."""

    states: dict[str, str]

    def take_over(self) -> str:
        """Take control."""

    def give_back(self) -> str:
        """Return control."""

    def emergency_stop(self) -> str:
        """Stop the arms."""

    def polling(self, poll: Callable[[], None]) -> AbstractContextManager[None]:
        """Call a function while requests are awaited; an exception from it ends the wait."""

    def spin(self, duration_s: float) -> None:
        """Process callbacks."""

    def publish_alive(self, arm: str) -> None:
        """Report that the operator of an arm is present."""

    def publish_twist(self, arm: str, twist: Array) -> None:
        """Move a hand."""

    def publish_opening(self, arm: str, share: float) -> None:
        """Move a gripper."""

    def publish_joy(self, axes: Sequence[float], buttons: Sequence[int]) -> None:
        """Publish the state of a gamepad."""


class StopPressedError(Exception):
    """The key of the emergency stop was pressed while a request was awaited."""


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
        # Arms whose grippers may move, and since when.
        self._grippers: dict[str, int] = {}
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

        def stop_if_pressed() -> None:
            if STOP in read_key(0.0):
                raise StopPressedError

        with status_line(self._console) as show:
            while True:
                text = read_key(PERIOD_S)
                key = self._keyboard.press(text, time.monotonic_ns())
                if key in QUIT and key:
                    break
                if key:
                    self._execute(key, stop_if_pressed)
                self.publish(time.monotonic_ns())
                if joystick is not None:
                    joystick.poll()
                    self._remote.publish_joy(joystick.axes, joystick.buttons)
                self._remote.spin(0.0)
                show(self.line())

    def publish(self, now_ns: int) -> None:
        """Publish the motion of the pressed key, and its end; keep a gripper moving."""
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
            self._grippers[keyboard.arm] = now_ns
            keyboard.opening = None
        for arm, since_ns in self._grippers.items():
            if now_ns - since_ns <= GRIPPER_NS:
                remote.publish_alive(arm)

    def line(self) -> str:
        """Return the state in one line."""
        states = (f"{name}: {state or '-'}" for name, state in self._remote.states.items())
        speed = f"{self._keyboard.speed:.0%} speed"
        return " | ".join((f"arm {self._keyboard.arm}, {speed}", *states))

    def _execute(self, key: str, stop_if_pressed: Callable[[], None]) -> None:
        if key not in self._actions:
            self._console.print("\n".join(HELP))
            return
        # A request may wait for seconds, a stop must not.
        polling = nullcontext() if key == STOP else self._remote.polling(stop_if_pressed)
        try:
            with polling:
                self._console.print(self._actions[key]())
        except DbpError as error:
            self._console.print(f"error: {error}")
        except StopPressedError:
            self._execute(STOP, stop_if_pressed)
