"""Gamepad: axes and buttons to motions of one arm, by a table in the settings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dbp_ros.sensing.pressed_buttons import PressedButtons
from dbp_ros.settings.teleop import HAND_AXES, TeleopConfig
from dbp_ros.types import Array

# Share of the speeds while the button `slow` is held.
SLOW = 0.25


@dataclass(frozen=True)
class GamepadState:
    """Meaning of one message of a gamepad.

    Attributes:
        arm: Selected arm.
        twist: Velocity of its hand in [m/s] and [rad/s], in the root frame. Shape (6,).
        opening_speed: Speed of its gripper in opening shares [1/s], negative to close.
        actions: Names of the buttons that were pressed since the last message.
    """

    arm: str
    twist: Array
    opening_speed: float
    actions: tuple[str, ...]


class Gamepad:
    """Interpretation of `sensor_msgs/Joy`: sticks are positive to the left and forward.

    Attributes:
        arm: Selected arm.
    """

    def __init__(self, config: TeleopConfig, arms: Sequence[str]) -> None:
        """Read the table.

        Args:
            config: Settings with the table.
            arms: Names of the arms; the first is selected.

        Raises:
            ConfigError: If the table is invalid.
        """
        self._axes, self._buttons = config.axes(), config.buttons()
        self._arms = list(arms)
        self.arm = self._arms[0]
        self._deadzone = config.gamepad_deadzone
        self._speeds = np.repeat([config.hand_speed, config.hand_turn_speed], 3)
        self._gripper_speed = config.gripper_speed
        self._pressed = PressedButtons()

    def read(self, axes: Sequence[float], buttons: Sequence[int]) -> GamepadState:
        """Return the meaning of a message."""
        names = {number: name for name, number in self._buttons.items()}
        actions = tuple(names[n] for n in self._pressed.update(buttons) if n in names)
        for action in actions:
            self._select(action)
        motions = np.array([self._axis(name, axes) for name in HAND_AXES])
        scale = SLOW if self._is_pressed("slow", buttons) else 1.0
        opening = self._axis("gripper", axes)
        opening += self._is_pressed("open_gripper", buttons) - self._is_pressed(
            "close_gripper", buttons
        )
        speed = float(np.clip(opening, -1.0, 1.0)) * self._gripper_speed
        return GamepadState(self.arm, scale * motions * self._speeds, speed, actions)

    def _select(self, action: str) -> None:
        if action == "next_arm":
            self.arm = self._arms[(self._arms.index(self.arm) + 1) % len(self._arms)]
        elif action.startswith("arm_") and int(action[4:]) <= len(self._arms):
            self.arm = self._arms[int(action[4:]) - 1]

    def _axis(self, name: str, axes: Sequence[float]) -> float:
        """Return the position of an axis from -1 to 1, without its dead zone."""
        number, sign = self._axes.get(name, (len(axes), 1.0))
        if number >= len(axes) or not abs(axes[number]) > self._deadzone:
            return 0.0
        value = float(np.clip(axes[number], -1.0, 1.0))
        beyond = max(0.0, abs(value) - self._deadzone) / (1.0 - self._deadzone)
        return sign * math.copysign(beyond, value)

    def _is_pressed(self, name: str, buttons: Sequence[int]) -> bool:
        number = self._buttons.get(name, len(buttons))
        return number < len(buttons) and bool(buttons[number])
