"""Measured joint positions: age, speed and plausibility."""

import numpy as np
from numpy.typing import NDArray

from dbp_ros.errors import CommandError
from dbp_ros.motion.limits import Limiter, Limits
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import NS_PER_S, Array, seconds_to_ns

# A joint cannot move faster than this multiple of its velocity limit.
MAX_SPEED_FACTOR = 3.0
SAMPLE_NS = NS_PER_S // 50
SAMPLES = 5
# Shortest time of uninterrupted measurements from which a speed is known.
SPEED_NS = NS_PER_S // 20
# Measurements are not used for this long after a jump.
JUMP_NS = NS_PER_S
# Joint states that return after a gap are used after this time.
RESUME_NS = NS_PER_S // 50


class SpeedEstimate:
    """Joint speeds over the last tenth of a second without a gap."""

    def __init__(self, timeout_ns: int) -> None:
        """Start without measurements; a longer time between two of them is a gap."""
        self._max_interval_ns = timeout_ns + SAMPLE_NS
        self._samples: list[tuple[int, Array]] = []

    def add(self, positions: Array, now_ns: int) -> None:
        """Record measured positions. Shape (nu,)."""
        if self._samples and now_ns - self._samples[-1][0] > self._max_interval_ns:
            self._samples = []
        if not self._samples or now_ns - self._samples[-1][0] >= SAMPLE_NS:
            self._samples = [*self._samples[1 - SAMPLES :], (now_ns, positions)]

    @property
    def value(self) -> Array | None:
        """Mean speed of each joint in [rad/s] and [m/s], shape (nu,); None if unknown."""
        duration_ns = self._samples[-1][0] - self._samples[0][0] if self._samples else 0
        if duration_ns < SPEED_NS:
            return None
        steps = np.diff([positions for _, positions in self._samples], axis=0)
        mean: Array = np.abs(steps).sum(axis=0) * NS_PER_S / duration_ns
        return mean


class JointFeedback:
    """Newest joint positions.

    Attributes:
        positions: Measured positions in [rad] and [m], shape (nu,); None before the first.
        fresh: Whether the positions are recent enough to compare commands with them.
    """

    def __init__(self, config: GuardConfig, limits: Limits, tolerance: Array) -> None:
        """Start without a measurement.

        Args:
            config: Settings of the guard.
            limits: Limits of each joint.
            tolerance: Noise and delay of the measurements, in [rad] and [m]. Shape (nu,).
        """
        self.positions: Array | None = None
        self.fresh = False
        self._joints = config.joints
        self._timeout_ns = seconds_to_ns(config.joint_state_timeout_s)
        self._loss_ns = seconds_to_ns(config.joint_state_loss_s)
        self._rest_speed = config.rest_speed * limits.velocity
        self._max_speed = MAX_SPEED_FACTOR * limits.velocity
        self._tolerance = tolerance
        self._speed = SpeedEstimate(self._timeout_ns)
        self._recent = False
        self._arrival_ns = self._resumed_ns = 0
        self._arrivals_ns = np.zeros(len(limits.velocity), np.int64)
        self._jumped_ns = -JUMP_NS

    def add(
        self,
        positions: Array,
        command: Array | None,
        now_ns: int,
        arrivals_ns: NDArray[np.int64] | None = None,
    ) -> str:
        """Record a measurement; return why it is implausible, or an empty string.

        A joint that moves closer to its command may do so in one step: after a stall of a driver
        or of the computer the position changes at once.

        Args:
            positions: Measured positions in [rad] and [m]. Shape (nu,).
            command: Last command, shape (nu,); None if there is none.
            now_ns: Arrival time of the positions.
            arrivals_ns: Arrival of each joint; `now_ns` for all if None. Shape (nu,).
        """
        before, before_ns = self.positions, self._arrivals_ns
        self.positions, self._arrival_ns = positions, now_ns
        self._arrivals_ns = np.full(len(positions), now_ns) if arrivals_ns is None else arrivals_ns
        self._speed.add(positions, now_ns)
        if before is None or command is None:
            return ""
        elapsed_s = np.maximum(0, self._arrivals_ns - before_ns) / NS_PER_S
        reachable = self._tolerance + self._max_speed * elapsed_s
        receding = np.abs(positions - command) - np.abs(before - command)
        if (receding <= reachable).all():
            return ""
        self._jumped_ns = now_ns
        joint = int(np.argmax(receding / reachable))
        return (
            f"joint_states: {self._joints[joint]} jumps by "
            f"{abs(positions[joint] - before[joint]):.3f}, farther than it can move: is there a "
            "second publisher, or was the arm moved by hand?"
        )

    def is_recent(self, now_ns: int) -> bool:
        """Return whether the last measurement is younger than the timeout."""
        return now_ns - self._arrival_ns <= self._timeout_ns

    def loss(self, now_ns: int) -> str:
        """Return a reason to disable control if measurements are missing for long; empty if not."""
        if now_ns - self._arrival_ns <= self._loss_ns:
            return ""
        return f"no joint states arrived for more than {self._loss_ns / NS_PER_S:g} s"

    @property
    def jumped(self) -> bool:
        """Whether a recent measurement was implausible; then no measurement is used."""
        return self._arrival_ns - self._jumped_ns < JUMP_NS

    def update(self, limiter: Limiter, checked_ns: int, now_ns: int) -> bool:
        """Update and return `fresh`.

        Args:
            limiter: Present commands.
            checked_ns: Time of the last check of the controllers.
            now_ns: Present time.
        """
        recent, was_recent = self.is_recent(now_ns), self._recent
        self._recent = recent
        if recent and not was_recent:
            self._resumed_ns = now_ns
        fresh = recent
        if recent and not self.fresh and limiter.at_rest:
            # The first message after a gap may have been sent before it, and the gap may be that of
            # a restart of all controllers.
            fresh = now_ns - self._resumed_ns >= RESUME_NS and checked_ns >= self._resumed_ns
        self.fresh = fresh
        return fresh

    def forget(self) -> None:
        """Treat the next measurement as the first after a gap."""
        self.fresh = self._recent = False

    @property
    def problem(self) -> str:
        """Why the positions are not fresh."""
        if self._recent:
            return "joint states were interrupted: the controllers are being checked"
        return "joint states are stale"

    def require_rest(self) -> None:
        """Raise `CommandError` if a joint moves, or if its speed is not known."""
        speed = self._speed.value
        if speed is None:
            raise CommandError(
                f"joint states arrive for less than {SPEED_NS / NS_PER_S:g} s, so it is not known "
                "whether the arms are at rest: enable control again"
            )
        if (speed > self._rest_speed).any():
            joint = int(np.argmax(speed / self._rest_speed))
            raise CommandError(
                f"{self._joints[joint]} moves at {speed[joint]:.3f} per second, expected at most "
                f"{self._rest_speed[joint]:.3f}: enable control when the arms are at rest"
            )
