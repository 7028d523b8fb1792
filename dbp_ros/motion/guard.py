"""The motion guard: what stands between a policy and the arms.

It follows the newest chunk within the limits, and brings both arms to rest when chunks or joint
states stop, when a stop is latched, or when an arm does not follow. It knows only arrays and
integers; every time is on the steady clock and passed in.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from dbp_ros.config import GuardConfig
from dbp_ros.contract import STOPPED, ActionChunk, Array, seconds_to_ns
from dbp_ros.errors import CommandError
from dbp_ros.motion.limits import Limiter, Limits
from dbp_ros.motion.trajectory import Trajectory


class Mode(Enum):
    """What the guard does with the arms."""

    DISABLED = "disabled"
    HOLDING = "holding"
    TRACKING = "tracking"
    STOPPED = STOPPED


@dataclass
class Counters:
    """How often each thing happened since the start."""

    commands: int = 0
    limited_commands: int = 0
    refused_chunks: int = 0
    holds: int = 0
    stops: int = 0


class MotionGuard:
    """Turns chunks into commands, one a period, and stops the arms when anything is wrong.

    Not thread-safe: one thread owns it.
    """

    def __init__(self, config: GuardConfig) -> None:
        """Start disabled and without knowledge of the arms.

        Raises:
            ConfigError: If the limits do not fit the joints.
        """
        self.limits = Limits.of(config)
        self.joints = config.joints
        self.counters = Counters()
        self.mode = Mode.DISABLED
        self.reason = "control is not enabled"
        self.chunk: ActionChunk | None = None
        self._dt = 1.0 / config.command_rate_hz
        self._chunk_timeout_ns = seconds_to_ns(config.chunk_timeout_s)
        self._state_timeout_ns = seconds_to_ns(config.joint_state_timeout_s)
        self._tracking_error_limit = np.array(config.tracking_error_limit)
        self._enabled = False
        self._stop_reason = ""
        self._measured: Array | None = None
        self._measured_ns = 0
        self._chunk_arrival_ns = 0
        self._commanded_ns = 0
        self._trajectory: Trajectory | None = None
        self._limiter: Limiter | None = None

    def measure(self, positions: Array, now_ns: int) -> None:
        """Take note of where the joints are.

        Args:
            positions: Measured positions in [rad] and [m], in the order of the joints. Finite.
            now_ns: When they arrived.
        """
        self._measured = positions
        self._measured_ns = now_ns

    def accept(self, chunk: ActionChunk, now_ns: int) -> None:
        """Follow a chunk from now on.

        Raises:
            CommandError: If it has the wrong shape, is not finite, or is older than the time-out.
        """
        problem = self._problem_of(chunk, now_ns)
        if problem:
            self.counters.refused_chunks += 1
            raise CommandError(problem)
        self.chunk = chunk
        self._chunk_arrival_ns = now_ns
        if self._limiter is not None:
            self._trajectory = Trajectory.from_chunk(
                chunk, self._limiter.command, self._commanded_ns
            )

    def enable(self, now_ns: int) -> None:
        """Start to command the arms, from where they are.

        Raises:
            CommandError: If a stop is latched or the joint states are not known or not fresh.
        """
        if self._stop_reason:
            raise CommandError(f"a stop is latched ({self._stop_reason}): reset it first")
        if self._measured is None or not self._knows_arms(now_ns):
            raise CommandError("the arms' position is not known: no fresh joint states arrive")
        if not self._enabled:
            # Arms that are still being brought to rest are taken over as they move.
            if self._limiter is None:
                self._limiter = Limiter(self.limits, self._measured, self._dt)
                self._commanded_ns = now_ns
            self._forget_chunk()
            self._enabled = True
            self._set(Mode.HOLDING, "waiting for a chunk")

    def disable(self) -> None:
        """Bring the arms to rest, then command them no more."""
        self._enabled = False
        self._forget_chunk()

    def stop(self, reason: str) -> None:
        """Bring the arms to rest and latch it until `reset`."""
        if not self._stop_reason:
            self.counters.stops += 1
            self._stop_reason = reason
            self._forget_chunk()
            self._set(Mode.STOPPED, reason)

    def reset(self) -> None:
        """Clear a latched stop. Control must then be enabled anew, from where the arms are.

        Raises:
            CommandError: If the arms still move.
        """
        if self.moving:
            raise CommandError("the arms still move: reset again when they are at rest")
        if self._stop_reason:
            self._stop_reason = ""
            self._enabled = False
            self._limiter = None
            self._set(Mode.DISABLED, "control is not enabled")

    @property
    def stop_reason(self) -> str:
        """Why a stop is latched; empty where none is."""
        return self._stop_reason

    @property
    def enabled(self) -> bool:
        """Whether the arms are to be commanded."""
        return self._enabled

    @property
    def moving(self) -> bool:
        """Whether the last command moved a joint."""
        return self._limiter is not None and not self._limiter.at_rest

    def tick(self, now_ns: int) -> Array | None:
        """Return the command for this period, or None where the arms are not to be commanded.

        Returns:
            Safe command in [rad] and [m]. Shape (nu,). The caller must not change it.
        """
        if self._limiter is None:
            return None
        limiter = self._limiter
        if not self._enabled and not self._stop_reason and limiter.at_rest:
            self._limiter = None
            self._set(Mode.DISABLED, "control is not enabled")
            return None
        if self._enabled and self._measured is not None and self._knows_arms(now_ns):
            self._watch_tracking(limiter.command - self._measured)
        reason = self._reason_to_hold(now_ns)
        if reason or self._trajectory is None:
            limiter.brake()
            self._set(Mode.STOPPED if self._stop_reason else Mode.HOLDING, reason)
        else:
            limited = limiter.follow(*self._trajectory.sample(now_ns))
            self.counters.limited_commands += limited
            self._set(Mode.TRACKING, "")
        self.counters.commands += 1
        self._commanded_ns = now_ns
        return limiter.command

    def _problem_of(self, chunk: ActionChunk, now_ns: int) -> str:
        shape = chunk.positions.shape
        if len(shape) != 2 or shape[0] == 0 or shape[1] != len(self.joints):
            return f"a chunk has shape {shape}, expected (points, {len(self.joints)})"
        if not np.isfinite(chunk.positions).all():
            joint = self.joints[int(np.argwhere(~np.isfinite(chunk.positions))[0][1])]
            return f"a chunk is not finite for {joint}"
        if chunk.due_ns.shape != shape[:1] or (np.diff(chunk.due_ns) <= 0).any():
            return "the points of a chunk are not due one after the other"
        age_ns = now_ns - chunk.stamp_ns
        if abs(age_ns) > self._chunk_timeout_ns:
            return (
                f"a chunk is {age_ns / 1e6:.0f} ms old, expected at most "
                f"{self._chunk_timeout_ns / 1e6:.0f} ms: are the clocks synchronised?"
            )
        return ""

    def _reason_to_hold(self, now_ns: int) -> str:
        if self._stop_reason:
            return self._stop_reason
        if not self._enabled:
            return "control is being disabled"
        if not self._knows_arms(now_ns):
            self._forget_chunk()
            return "joint states are stale"
        if self._trajectory is None:
            return "waiting for a chunk"
        if now_ns - self._chunk_arrival_ns > self._chunk_timeout_ns:
            return "no fresh chunk"
        return ""

    def _knows_arms(self, now_ns: int) -> bool:
        return now_ns - self._measured_ns <= self._state_timeout_ns

    def _watch_tracking(self, difference: Array) -> None:
        error = np.abs(difference)
        if (error > self._tracking_error_limit).any():
            worst = int(np.argmax(error / self._tracking_error_limit))
            self.stop(f"{self.joints[worst]} is {error[worst]:.3f} away from its command")

    def _forget_chunk(self) -> None:
        self.chunk = None
        self._trajectory = None

    def _set(self, mode: Mode, reason: str) -> None:
        if mode is Mode.HOLDING and self.mode is Mode.TRACKING:
            self.counters.holds += 1
        self.mode, self.reason = mode, reason
