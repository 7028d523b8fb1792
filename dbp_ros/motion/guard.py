"""Motion guard: converts chunks to safe commands, independently of the policy.

It follows the newest chunk within the limits. It brings the arms to rest when chunks or joint
states stop, when a stop is latched, or when an arm does not follow. Commands that are away from
their arms are reanchored, see `reanchoring`. All times are on the steady clock and passed in.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from dbp_ros.errors import CommandError, ConfigError
from dbp_ros.guard_state import NEXT_REASON, NOT_ENABLED, GuardMode
from dbp_ros.motion.chunk_selection import ChunkSelection
from dbp_ros.motion.counters import GuardCounters
from dbp_ros.motion.feedback import JointFeedback
from dbp_ros.motion.following import FollowingMonitor
from dbp_ros.motion.limits import LimitedShare, Limiter, Limits
from dbp_ros.motion.reanchoring import Reanchoring
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import NS_PER_S, ActionChunk, Array, seconds_to_ns

DISABLED_BY_FAULT = "control was disabled by a fault"
# A period that takes longer than the timeout counts as a suspension of this process.
MIN_TIMEOUT_PERIODS = 2.0
# Controllers lost within this time of the last command are reported together.
LOSS_WINDOW_NS = NS_PER_S


class MotionGuard:
    """Source of one safe command per period, from chunks and joint positions. Not thread-safe.

    Attributes:
        limits: Limits of each joint.
        counters: Event counters.
        following: Tracking errors.
        chunks: Chunk that is followed, and its source: the policy, or an operator.
        speed_scaling: Factor on the velocity limits.
        mode: Current mode.
        reason: Reason for the mode; empty if there is none.
        enabled: Whether control is enabled.
        stop_reason: Reason for the latched stop; empty if none is latched.
        lost_joints: Joints without a command, as their controller is lost. Shape (nu,).
        controllers_checked_ns: Last check of all controllers, required after a gap; set it if any.
    """

    def __init__(self, config: GuardConfig) -> None:
        """Start disabled.

        Raises:
            ConfigError: If the limits do not fit the joints, or `joint_state_timeout_s` is shorter
                than two command periods.
        """
        period_s = 1.0 / config.command_rate_hz
        if config.joint_state_timeout_s < MIN_TIMEOUT_PERIODS * period_s:
            raise ConfigError(
                f"joint_state_timeout_s is {config.joint_state_timeout_s:g}, expected at least "
                f"{MIN_TIMEOUT_PERIODS:g} periods of command_rate_hz = {config.command_rate_hz:g}, "
                f"{MIN_TIMEOUT_PERIODS * period_s:g} s: increase one of them"
            )
        self.limits, self.counters = Limits.from_config(config), GuardCounters()
        self.following = FollowingMonitor(config, self.limits)
        self.mode = GuardMode.DISABLED
        self.reason = NOT_ENABLED
        self._dt, self.speed_scaling = period_s, 1.0
        self._joint_state_timeout_ns = seconds_to_ns(config.joint_state_timeout_s)
        self.chunks = ChunkSelection(config, self.limits, self.counters)
        self._feedback = JointFeedback(config, self.limits, self.following.distance)
        self._reanchoring = Reanchoring(config.joints, self.following, self.counters)
        self._limited = LimitedShare(config.joints, config.command_rate_hz, self.following.distance)
        self.enabled = False
        self.stop_reason = self._fault = ""
        # Until a reset, after joint states that jumped: they may be those of another publisher.
        self._implausible = False
        self.lost_joints = np.zeros(len(config.joints), bool)
        self.controllers_checked_ns = sys.maxsize
        self._commanded_ns = self._ticked_ns = 0
        self._limiter: Limiter | None = None

    def add_measurement(
        self, positions: Array, now_ns: int, arrivals_ns: NDArray[np.int64] | None = None
    ) -> None:
        """Record measured positions.

        Args:
            positions: Positions in [rad] and [m]. Finite. Shape (nu,).
            now_ns: Arrival time; with several drivers, that of the joint that arrived first.
            arrivals_ns: Arrival of each joint; `now_ns` for all if None. Shape (nu,).
        """
        command = None if self._limiter is None else self._limiter.command
        implausible = self._feedback.add(positions, command, now_ns, arrivals_ns)
        if implausible and self.enabled:
            self._implausible = True
            self.stop(implausible)

    def accept(self, chunk: ActionChunk, now_ns: int, by_operator: bool = False) -> None:
        """Follow a chunk from now on, if its source has control.

        Raises:
            CommandError: If it is invalid; see `ChunkCheck`.
        """
        if self.chunks.accept(chunk, now_ns, by_operator):
            self._plan()

    def scale_speed(self, factor: float) -> None:
        """Multiply the velocity limits by a factor of at most 1; see `Limiter.scale_speed`."""
        self.speed_scaling = factor
        if self._limiter is not None:
            self._limiter.scale_speed(factor)

    def enable(self, now_ns: int) -> None:
        """Start to command the arms, from their measured positions.

        Raises:
            CommandError: If a stop is latched, the joint states are missing or stale, or the arms
                move.
        """
        if self.stop_reason:
            raise CommandError(f"a stop is latched ({self.stop_reason}): reset it first")
        measured = self._feedback.positions
        if measured is None or not self._feedback.is_recent(now_ns):
            raise CommandError("the arms' position is not known: no fresh joint states arrive")
        if self.enabled:
            return
        # Arms that are still braking continue from their last command.
        if self._limiter is None or self.lost_joints.any():
            self._feedback.require_rest()
            self._limiter = Limiter(self.limits, measured, self._dt)
            self._limiter.scale_speed(self.speed_scaling)
            self.following.start(measured)
            self._commanded_ns = self._ticked_ns = now_ns
        self.chunks.clear()
        self.lost_joints[:] = self._reanchoring.joints[:] = False
        self._fault = ""
        self.enabled = self._feedback.fresh = True
        self._set_mode(GuardMode.HOLDING, self.chunks.problem(now_ns))

    def disable(self) -> None:
        """Bring the arms to rest, then stop commanding them."""
        self.enabled = False
        self._fault = ""
        self.chunks.clear()

    def disable_on_fault(self, reason: str) -> None:
        """Disable control because of a fault, if it is enabled."""
        if self.enabled:
            self.enabled = False
            self._fault = reason
            self.counters.disabled_by_fault += 1
            self.chunks.clear()

    def disable_on_controller_loss(self, joints: slice, reason: str, now_ns: int) -> None:
        """Disable control, without further commands to the joints of a lost controller.

        Args:
            joints: Joints of the controller.
            reason: State of the controller.
            now_ns: Time of the loss.
        """
        recent = now_ns - self._commanded_ns < LOSS_WINDOW_NS
        if recent and self._fault and reason not in self._fault:
            self._fault += f"{NEXT_REASON}{reason}"
        if self._limiter is None:
            if recent and self._fault and not self.stop_reason:
                self._stop_commanding()
            return
        self.counters.controller_losses += 1
        self.lost_joints[joints] = True
        self._limiter.set_command(self.lost_joints, self._limiter.command)
        self.disable_on_fault(reason)

    def stop(self, reason: str, replace: bool = False) -> None:
        """Bring the arms to rest and latch the stop; `replace` the reason of an earlier one."""
        if replace or not self.stop_reason:
            self.counters.stops += not self.stop_reason
            self.stop_reason = reason
            self.chunks.clear()
            self._set_mode(GuardMode.STOPPED, reason)

    def reset(self) -> None:
        """Clear a latched stop. Control stays disabled.

        Raises:
            CommandError: If the arms still move.
        """
        # Without commands there is nothing to verify; after a jump no measurement verifies them.
        jumped = self._implausible or self._feedback.jumped
        verifiable = self.commanding and self._feedback.fresh and not jumped
        unverified = verifiable and self.following.verifying
        if self.moving or (self.stop_reason and unverified):
            raise CommandError("the arms still move: reset again when they are at rest")
        if self.stop_reason:
            self.stop_reason = self._fault = ""
            self.enabled = self._implausible = False
            self._stop_commanding()

    @property
    def commanding(self) -> bool:
        """Whether commands are computed, also to bring the arms to rest."""
        return self._limiter is not None

    @property
    def moving(self) -> bool:
        """Whether the last command moved a joint."""
        if self._limiter is None:
            return False
        return not self._limiter.at_rest or (self._feedback.fresh and self._reanchoring.active)

    def tick(self, now_ns: int) -> Array | None:
        """Return the command of this period, or None if there is none.

        Returns:
            Safe command in [rad] and [m], read-only, shape (nu,). Do not send the elements of
            `lost_joints`.
        """
        limiter = self._limiter
        if limiter is None:
            return None
        at_rest = limiter.at_rest and not (self._feedback.fresh and self._reanchoring.active)
        if at_rest and not self.enabled and not self.stop_reason:
            self._stop_commanding()
            return None
        self._handle_suspension(limiter, now_ns)
        was_fresh = self._feedback.fresh
        fresh = self._update_feedback(limiter, now_ns)
        self.following.update_commands(limiter, self._dt)
        if fresh:
            self._check_following(limiter, after_gap=not was_fresh)
        elif limiter.at_rest:
            # The positions of the arms are unknown: no command is safe.
            self._set_holding(now_ns)
            return None
        reason = self._reason_to_hold(now_ns)
        if reason:
            self._hold(limiter)
            self._set_holding(now_ns)
        else:
            self._follow_chunk(limiter, now_ns)
        self.counters.commands += 1
        self._commanded_ns = now_ns
        return limiter.command

    def _handle_suspension(self, limiter: Limiter, now_ns: int) -> None:
        """Rest at the last command, as after a gap, if this process was suspended."""
        last_ns, self._ticked_ns = self._ticked_ns, now_ns
        if last_ns == 0 or now_ns - last_ns <= self._joint_state_timeout_ns:
            return
        limiter.set_command(np.ones_like(self.lost_joints), limiter.command)
        self.chunks.clear()
        self._feedback.forget()

    def _update_feedback(self, limiter: Limiter, now_ns: int) -> bool:
        """Return whether the measured positions are fresh."""
        was_fresh = self._feedback.fresh
        fresh = self._feedback.update(limiter, self.controllers_checked_ns, now_ns)
        if was_fresh and not fresh and self.enabled:
            self.counters.joint_state_gaps += 1
            self.chunks.clear()
        if loss := self._feedback.loss(now_ns):
            self.disable_on_fault(loss)
        return fresh

    def _check_following(self, limiter: Limiter, after_gap: bool) -> None:
        """Stop the arms if a joint does not follow, and reanchor commands away from their arms."""
        measured = self._feedback.positions
        assert measured is not None
        if self._feedback.jumped or self._implausible:
            return
        if after_gap and limiter.at_rest and self._reanchoring.set_moved(limiter, measured):
            self._plan()
        controlled = self.enabled and not self.stop_reason
        holding = self.mode is not GuardMode.TRACKING
        if reason := self._reanchoring.update(limiter, measured, controlled, holding):
            self.counters.tracking_stops += 1
            self.stop(reason)

    def _follow_chunk(self, limiter: Limiter, now_ns: int) -> None:
        limited = limiter.follow(*self.chunks.sample(now_ns))
        # At a scaled speed commands are limited on purpose.
        if self.speed_scaling == 1.0:
            self.counters.limited_commands += limited and not self.chunks.operator_control
            self._limited.add(limiter.target_distance)
        self._set_mode(GuardMode.TRACKING, self._limited.warning)

    def _hold(self, limiter: Limiter) -> None:
        if not (self._feedback.fresh and self._reanchoring.active):
            limiter.brake()
        elif self._reanchoring.advance(limiter):
            self._plan()

    def _plan(self) -> None:
        if self._limiter is not None:
            self.chunks.plan(self._limiter.command, self._commanded_ns)

    def _reason_to_hold(self, now_ns: int) -> str:
        if self.stop_reason:
            return self.stop_reason
        if self._fault:
            return f"{DISABLED_BY_FAULT}: {self._fault}"
        if not self.enabled:
            return "control is being disabled"
        if not self._feedback.fresh:
            return self._feedback.problem
        if self._reanchoring.active:
            return f"{self._reanchoring.first_joint} was moved: its command is reanchored"
        return self.chunks.problem(now_ns)

    def _stop_commanding(self) -> None:
        self._limiter = None
        fault = f"{DISABLED_BY_FAULT}: {self._fault}; enable control again"
        self._set_mode(GuardMode.DISABLED, fault if self._fault else NOT_ENABLED)

    def _set_holding(self, now_ns: int) -> None:
        mode = GuardMode.STOPPED if self.stop_reason else GuardMode.HOLDING
        self._set_mode(mode, self._reason_to_hold(now_ns))

    def _set_mode(self, mode: GuardMode, reason: str) -> None:
        if mode is GuardMode.HOLDING and self.mode is GuardMode.TRACKING:
            self.counters.holds += 1
        self.mode, self.reason = mode, reason
