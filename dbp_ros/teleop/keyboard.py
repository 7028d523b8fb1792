"""Keys of a terminal to motions of a hand; a terminal reports no release of a key."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.types import Array, seconds_to_ns

# A key moves the hand for this time; a held key repeats faster.
KEY_NS = seconds_to_ns(0.15)
# Direction of each motion key: x, y, z and rotations about them.
MOTIONS = {
    "w": (0, 1.0),
    "s": (0, -1.0),
    "a": (1, 1.0),
    "d": (1, -1.0),
    "r": (2, 1.0),
    "f": (2, -1.0),
    "u": (3, 1.0),
    "o": (3, -1.0),
    "i": (4, 1.0),
    "k": (4, -1.0),
    "j": (5, 1.0),
    "l": (5, -1.0),
}
OPENINGS = {"c": 0.0, "v": 1.0}
TAKE_OVER, GIVE_BACK, STOP, NEXT_ARM, SLOWER, FASTER = "t", "g", " ", "\t", "-", "+"
QUIT = ("q", "\x04")
HELP = (
    "t take over, g give back, space emergency stop, q quit",
    "w/s forward and back, a/d left and right, r/f up and down (root frame)",
    "u/o, i/k, j/l turn about x, y, z; c/v close and open the gripper",
    "tab or 1, 2 select the arm, +/- speed; release a key to stop",
)
SPEED_FACTOR, MIN_SPEED = 1.5, 0.05


class Keyboard:
    """Motion of one hand by keys.

    Attributes:
        arm: Selected arm.
        speed: Share of the speeds, from `MIN_SPEED` to 1.
        opening: Opening share that a key requests; set it to None when it is published.
    """

    def __init__(self, arms: Sequence[str], hand_speed: float, hand_turn_speed: float) -> None:
        """Select the first arm.

        Args:
            arms: Names of the arms.
            hand_speed: Speed of a hand in [m/s].
            hand_turn_speed: Angular speed of a hand in [rad/s].
        """
        self._arms = list(arms)
        self.arm, self.speed = self._arms[0], 0.4
        self.opening: float | None = None
        self._speeds = np.repeat([hand_speed, hand_turn_speed], 3)
        self._key, self._until_ns = "", 0

    def press(self, text: str, now_ns: int) -> str:
        """Apply what a terminal has read; return a key that is not one of the motions.

        Args:
            text: Bytes of one or several keys; the last one counts, but a stop always. A sequence
                of a special key has no meaning.
            now_ns: Present time.
        """
        if STOP in text:
            self._until_ns = 0
            return STOP
        key = "" if text.startswith("\x1b") else text[-1:]
        if key in MOTIONS:
            self._key, self._until_ns = key, now_ns + KEY_NS
            return ""
        if not key:
            return ""
        self._until_ns = 0
        if key in OPENINGS:
            self.opening = OPENINGS[key]
        elif key == NEXT_ARM:
            self._select(self._arms.index(self.arm) + 1)
        elif key in "123456789" and int(key) <= len(self._arms):
            self._select(int(key) - 1)
        elif key in (SLOWER, FASTER):
            factor = SPEED_FACTOR if key == FASTER else 1.0 / SPEED_FACTOR
            self.speed = float(np.clip(self.speed * factor, MIN_SPEED, 1.0))
        else:
            return key
        return ""

    def twist(self, now_ns: int) -> Array:
        """Return the velocity of the hand in [m/s] and [rad/s]; zero without a key. Shape (6,)."""
        twist = np.zeros(6)
        if now_ns < self._until_ns:
            axis, sign = MOTIONS[self._key]
            twist[axis] = sign * self.speed * self._speeds[axis]
        return twist

    def _select(self, number: int) -> None:
        self.arm = self._arms[number % len(self._arms)]
        self.opening = None
