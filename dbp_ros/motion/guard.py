"""The motion guard: what stands between a policy and the arms.

It follows the newest chunk within the limits, and brings the arms to rest when chunks or joint
states stop, when a stop is latched, or when an arm does not follow. Command and arm never part: a
joint that is not following gets its measured position as its command, so that whatever starts to
obey next starts from where the arm is. The guard knows only arrays and integers; every time is on
the steady clock and passed in.
"""

from dataclasses import dataclass

import numpy as np

from dbp_ros.errors import CommandError
from dbp_ros.guard_state import (
    NEXT_REASON,
    NO_FRESH_CHUNK,
    NOT_ENABLED,
    WAITING_FOR_CHUNK,
    GuardMode,
)
from dbp_ros.motion.chunk_check import ChunkCheck
from dbp_ros.motion.following import FollowingMonitor, SpeedEstimate
from dbp_ros.motion.limits import LimitedShare, Limiter, Limits
from dbp_ros.motion.trajectory import Trajectory
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import NS_PER_S, ActionChunk, Array, Flags, seconds_to_ns

WITHDRAWN = "the enabling was withdrawn"
# Controllers that are lost within this time of the last command are named together.
AT_ONCE_NS = NS_PER_S
# Joint states that came back are used after this time.
RESUME_NS = NS_PER_S // 50


@dataclass
class Counters:
    """How often each event happened since the start.

    Attributes:
        commands: Commands worked out.
        limited_commands: Commands that a limit kept from the target.
        refused_chunks: Chunks that were not followed.
        holds: Changes from tracking to holding.
        stops: Latched stops.
        tracking_stops: Those of them because a joint did not follow.
        withdrawals: Enablings that ended by themselves.
        controller_losses: Controllers that were deactivated, unloaded or restarted under control.
        joint_state_gaps: Times that joint states went stale under control.
        reanchors: Times that the command of a joint was set to its measured position.
    """

    commands: int = 0
    limited_commands: int = 0
    refused_chunks: int = 0
    holds: int = 0
    stops: int = 0
    tracking_stops: int = 0
    withdrawals: int = 0
    controller_losses: int = 0
    joint_state_gaps: int = 0
    reanchors: int = 0


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
        self.mode = GuardMode.DISABLED
        self.reason = NOT_ENABLED
        self.chunk: ActionChunk | None = None
        self._dt = 1.0 / config.command_rate_hz
        self._chunk_timeout_ns = seconds_to_ns(config.chunk_timeout_s)
        self._state_timeout_ns = seconds_to_ns(config.joint_state_timeout_s)
        self._state_loss_ns = seconds_to_ns(config.joint_state_loss_s)
        self._check = ChunkCheck(config.joints, self.limits, config)
        self.following = FollowingMonitor(config, self.limits)
        self._limited = LimitedShare(config.joints, config.command_rate_hz, self.following.distance)
        self._speed = SpeedEstimate(self.limits.velocity, self.following.distance)
        self._jumped_ns = -AT_ONCE_NS
        self._resumed_ns = 0
        self._ticked_ns = 0
        self._rest_speed = config.rest_speed * self.limits.velocity
        self._enabled = False
        self._stop_reason = ""
        self._withdrawn_reason = ""
        self._measured: Array | None = None
        self._measured_ns = 0
        self._fresh = False
        self._muted = np.zeros(len(config.joints), bool)
        self._yielding = np.zeros(len(config.joints), bool)
        self._yield_to = np.zeros(len(config.joints))
        self._chunk_arrival_ns = 0
        self._commanded_ns = 0
        self._trajectory: Trajectory | None = None
        self._limiter: Limiter | None = None

    def measure(self, positions: Array, now_ns: int) -> None:
        """Record where the joints are.

        Args:
            positions: Measured positions in [rad] and [m], in the order of the joints. Finite.
            now_ns: When they arrived; with several drivers, those of the joint that arrived first.
        """
        command = None if self._limiter is None else self._limiter.command
        jump = self._speed.jump(positions, command, now_ns)
        if now_ns - self._measured_ns > self._state_timeout_ns:
            self._resumed_ns = now_ns
        self._measured = positions
        self._measured_ns = now_ns
        self._speed.add(positions, now_ns)
        if jump is not None:
            self._jumped_ns = now_ns
            if self._enabled:
                self.stop(
                    f"joint_states: {self.joints[jump[0]]} jumps by {jump[1]:.3f}, farther than it "
                    "can move: is there a second publisher, or was the arm put elsewhere?"
                )

    def accept(self, chunk: ActionChunk, now_ns: int) -> None:
        """Follow a chunk from now on.

        Raises:
            CommandError: If it has the wrong shape, is not finite, is far beyond the position
                limits, or is older than the time-out.
        """
        problem = self._check.problem(chunk, now_ns)
        if problem:
            self.counters.refused_chunks += 1
            raise CommandError(problem)
        self.chunk = chunk
        self._chunk_arrival_ns = now_ns
        self._join_chunk()

    def enable(self, now_ns: int) -> None:
        """Start to command the arms, from where they are.

        Raises:
            CommandError: If a stop is latched, the joint states are not known or not fresh, or
                the arms move.
        """
        if self._stop_reason:
            raise CommandError(f"a stop is latched ({self._stop_reason}): reset it first")
        if self._measured is None or not self._knows_arms(now_ns):
            raise CommandError("the arms' position is not known: no fresh joint states arrive")
        if self._enabled:
            return
        # Arms that are still being brought to rest are taken over as they move.
        if self._limiter is None or self._muted.any():
            self._require_rest()
            self._limiter = Limiter(self.limits, self._measured, self._dt)
            self.following.begin(self._measured)
            self._commanded_ns = self._ticked_ns = now_ns
        self._forget_chunk()
        self._muted[:] = self._yielding[:] = False
        self._withdrawn_reason = ""
        self._enabled = self._fresh = True
        self._set(GuardMode.HOLDING, WAITING_FOR_CHUNK)

    def disable(self) -> None:
        """Bring the arms to rest, then command them no more."""
        self._enabled = False
        self._withdrawn_reason = ""
        self._forget_chunk()

    def withdraw(self, reason: str) -> None:
        """End the enabling because of a fault: moving again takes a new `enable`.

        The arms are brought to rest first. Without effect while control is not enabled.
        """
        if self._enabled:
            self._enabled = False
            self._withdrawn_reason = reason
            self.counters.withdrawals += 1
            self._forget_chunk()

    def lose(self, joints: slice, reason: str, now_ns: int) -> None:
        """Send no more commands to the joints of a controller that is gone, and withdraw.

        Args:
            joints: The controller's joints.
            reason: What became of it.
            now_ns: When that was noticed.
        """
        at_once = now_ns - self._commanded_ns < AT_ONCE_NS
        if at_once and self._withdrawn_reason and reason not in self._withdrawn_reason:
            self._withdrawn_reason += f"{NEXT_REASON}{reason}"
        if self._limiter is None:
            if at_once and self._withdrawn_reason:
                self._release()
            return
        self.counters.controller_losses += 1
        self._muted[joints] = True
        self._limiter.reanchor(self._muted, self._limiter.command)
        self.withdraw(reason)

    def stop(self, reason: str) -> None:
        """Bring the arms to rest and latch it until `reset`."""
        if not self._stop_reason:
            self.counters.stops += 1
            self._stop_reason = reason
            self._forget_chunk()
            self._set(GuardMode.STOPPED, reason)

    def reset(self) -> None:
        """Clear a latched stop. Control must then be enabled again, from where the arms are.

        Raises:
            CommandError: If the arms still move.
        """
        if self.moving or (self._stop_reason and self._fresh and self.following.suspects):
            raise CommandError("the arms still move: reset again when they are at rest")
        if self._stop_reason:
            self._stop_reason = ""
            self._withdrawn_reason = ""
            self._enabled = False
            self._release()

    @property
    def stop_reason(self) -> str:
        """Why a stop is latched; empty where none is."""
        return self._stop_reason

    @property
    def enabled(self) -> bool:
        """Whether the arms are to be commanded."""
        return self._enabled

    @property
    def commanding(self) -> bool:
        """Whether commands are being worked out, also to bring the arms to rest."""
        return self._limiter is not None

    @property
    def moving(self) -> bool:
        """Whether the last command moved a joint."""
        limiter = self._limiter
        return limiter is not None and not (limiter.at_rest and not self._yielding.any())

    @property
    def muted(self) -> Flags:
        """Which joints get no command because their controller is gone. Shape (nu,). Read only."""
        return self._muted

    def tick(self, now_ns: int) -> Array | None:
        """Return the command for this period, or None where the arms are not to be commanded.

        Returns:
            Safe command in [rad] and [m]. Shape (nu,). The caller must not change it, nor send
            the parts of joints that are `muted`.
        """
        limiter = self._limiter
        if limiter is None:
            return None
        at_rest = limiter.at_rest and not (self._fresh and self._yielding.any())
        if at_rest and not self._enabled and not self._stop_reason:
            self._release()
            return None
        resumes = self._resumes(limiter, now_ns)
        was_fresh = self._fresh and not resumes
        self._watch_joint_states(limiter, now_ns)
        self.following.advance(limiter, self._dt)
        if self._fresh:
            self._keep_together(limiter, after_gap=not was_fresh)
        elif limiter.at_rest:
            # Where the arms are is not known: any command could be far from them.
            self._set_holding(now_ns)
            return None
        reason = self._reason_to_hold(now_ns)
        if reason or self._trajectory is None:
            self._hold(limiter)
            self._set_holding(now_ns)
        else:
            limited = limiter.follow(*self._trajectory.sample(now_ns))
            self.counters.limited_commands += limited
            self._limited.add(limiter.behind)
            self._set(GuardMode.TRACKING, self._limited.warning)
        self.counters.commands += 1
        self._commanded_ns = now_ns
        return limiter.command

    def _resumes(self, limiter: Limiter, now_ns: int) -> bool:
        """Return whether no command was worked out for a while: the process was suspended."""
        last_ns, self._ticked_ns = self._ticked_ns, now_ns
        if last_ns == 0 or now_ns - last_ns <= self._state_timeout_ns:
            return False
        # The arms came to rest at the last command that they were sent.
        limiter.reanchor(np.ones(len(self.joints), bool), limiter.command)
        self._forget_chunk()
        return True

    def _keep_together(self, limiter: Limiter, after_gap: bool) -> None:
        """Let the commands of joints that do not follow go to their measured positions."""
        assert self._measured is not None
        if self._measured_ns - self._jumped_ns < AT_ONCE_NS:
            # What is measured cannot be where the arms are, or will not stay so.
            return
        error = np.abs(limiter.command - self._measured)
        at_rest = after_gap and limiter.at_rest
        if at_rest and (moved := self.following.moved(error)).any():
            # Nothing was published for a while: the next command starts at the arm.
            self._yield(moved)
            limiter.reanchor(moved, self._measured)
            self._finish_yielding(moved)
            error = np.where(moved, 0.0, error)
        if self._enabled and not self._stop_reason and (lost := self.following.lost(error)).any():
            worst = int(np.argmax(error / self.following.limit))
            self.counters.tracking_stops += 1
            self.stop(f"{self.joints[worst]} is {error[worst]:.3f} away from its command")
            self._yield(lost)
        apart = self.following.apart(
            error, self._measured, self.mode is not GuardMode.TRACKING, self._dt
        )
        if not self._yielding.any() and apart.any():
            self._yield(apart)

    def _yield(self, joints: Flags) -> None:
        """Let the commands of some joints go to where the joints are now, within the limits.

        Not in one step: should the measurement be what is wrong, and the arm where its command
        is, a step would be a jump.
        """
        assert self._measured is not None
        self.counters.reanchors += 1
        self._yielding = self._yielding | joints
        self._yield_to = np.where(joints, self._measured, self._yield_to)

    def _hold(self, limiter: Limiter) -> None:
        if not (self._fresh and self._yielding.any()):
            limiter.brake()
        elif limiter.give_way(self._yielding, self._yield_to):
            self._finish_yielding(self._yielding)

    def _finish_yielding(self, joints: Flags) -> None:
        self.following.reanchored(joints)
        self._yielding = self._yielding & ~joints
        self._join_chunk()

    def _join_chunk(self) -> None:
        if self.chunk is not None and self._limiter is not None:
            self._trajectory = Trajectory.from_chunk(
                self.chunk, self._limiter.command, self._commanded_ns
            )

    def _watch_joint_states(self, limiter: Limiter, now_ns: int) -> None:
        fresh = self._knows_arms(now_ns)
        if not self._fresh and now_ns - self._resumed_ns < RESUME_NS and limiter.at_rest:
            # The first message after a stall may still be from before it.
            fresh = False
        if self._fresh and not fresh and self._enabled:
            self.counters.joint_state_gaps += 1
            self._forget_chunk()
        self._fresh = fresh
        if not fresh and now_ns - self._measured_ns > self._state_loss_ns:
            limit_s = self._state_loss_ns * 1e-9
            self.withdraw(f"no joint states arrived for more than {limit_s:g} s")

    def _require_rest(self) -> None:
        speed = self._speed.value
        if speed is not None and (speed > self._rest_speed).any():
            worst = int(np.argmax(speed / self._rest_speed))
            raise CommandError(
                f"{self.joints[worst]} moves at {speed[worst]:.3f} per second, expected at most "
                f"{self._rest_speed[worst]:.3f}: enable control when the arms are at rest"
            )

    def _reason_to_hold(self, now_ns: int) -> str:
        if self._stop_reason:
            return self._stop_reason
        if self._withdrawn_reason:
            return f"{WITHDRAWN}: {self._withdrawn_reason}"
        if not self._enabled:
            return "control is being disabled"
        if not self._fresh:
            return "joint states are stale"
        if self._yielding.any():
            joint = self.joints[int(np.argmax(self._yielding))]
            return f"{joint} was moved: its command goes to where it is"
        if self._trajectory is None:
            return WAITING_FOR_CHUNK
        if now_ns - self._chunk_arrival_ns > self._chunk_timeout_ns:
            return NO_FRESH_CHUNK
        return ""

    def _knows_arms(self, now_ns: int) -> bool:
        return now_ns - self._measured_ns <= self._state_timeout_ns

    def _forget_chunk(self) -> None:
        self.chunk = None
        self._trajectory = None

    def _release(self) -> None:
        """Command the arms no more."""
        self._limiter = None
        withdrawn = self._withdrawn_reason
        reason = f"{WITHDRAWN}: {withdrawn}; enable control again" if withdrawn else NOT_ENABLED
        self._set(GuardMode.DISABLED, reason)

    def _set_holding(self, now_ns: int) -> None:
        reason = self._reason_to_hold(now_ns)
        self._set(GuardMode.STOPPED if self._stop_reason else GuardMode.HOLDING, reason)

    def _set(self, mode: GuardMode, reason: str) -> None:
        if mode is GuardMode.HOLDING and self.mode is GuardMode.TRACKING:
            self.counters.holds += 1
        self.mode, self.reason = mode, reason
