"""Comparison of commands with measured positions.

A forward controller passes a command on at once. When a controller, a drive or a robot that was off
becomes active, its arm moves to the command in one cycle, at any distance. Therefore a command that
stays away from its arm is reanchored: it is moved to the measured position.
"""

import numpy as np

from dbp_ros.motion.limits import Limiter, Limits
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import Array, Flags

# Command and arm are at rest after they have been still for this long.
SETTLE_S = 0.3
# A measurement that never settles, such as a noisy one, counts as settled after this time.
MAX_SETTLE_S = 2.0
# A command counts as still below this share of the velocity limit.
STILL_SHARE = 0.02
# Largest steady error as a share of the tracking limit: gravity, friction, payload.
STEADY_SHARE = 0.4
# An arm counts as still within this share of the reanchoring distance.
QUIET_SHARE = 0.1
# A gripper counts as slipped if its error grows by this share of the reanchoring distance.
SLIP_SHARE = 0.3
# Reanchorings during one rest, as each of them lets a loaded arm sink further.
MAX_REANCHORINGS = 2
# An arm that follows has come to rest at the latest this time after its command.
FAR_S = 1.5 * SETTLE_S
# A joint that follows its command at a distance moves fast: it has moved within this time.
STANDS_S = 0.03
# An arm that is far from its command and has been still for less than this is moved by hand.
MOVED_S = 0.5 * SETTLE_S


class FollowingMonitor:
    """Tracking errors of the joints.

    Attributes:
        limit: Error beyond which a joint does not follow, in [rad] and [m]. Shape (nu,).
        distance: Error beyond which the command of a joint at rest is reanchored. Shape (nu,).
        peak: Largest error under control since the start or the last clearing. Shape (nu,).
    """

    def __init__(self, config: GuardConfig, limits: Limits) -> None:
        self.limit = np.array(config.tracking_error_limit)
        self.peak = np.zeros(len(self.limit))
        self.distance = config.reanchor_share * self.limit
        self._still_speed = STILL_SHARE * limits.velocity
        self._is_gripper = np.array([joint in config.gripper_joints for joint in config.joints])
        self._same_controller = _same_controller(config)
        # The steady error of a gripper that holds an object may be as large as the limit.
        self._max_steady = np.where(self._is_gripper, self.limit, STEADY_SHARE * self.limit)
        self.start(np.zeros(len(self.limit)))

    def start(self, positions: Array) -> None:
        """Start with commands at the measured positions. Shape (nu,)."""
        count = len(self.limit)
        self._error = np.zeros(count)
        self._measured, self._measured_age_s = positions, 0.0
        self._steady_error = np.zeros(count)
        self._command_still_s = np.zeros(count)
        self._arm_still_s = np.zeros(count)
        self._arm_still_at = positions
        self._rest_position = np.full(count, np.nan)
        self._reanchorings = np.zeros(count, int)
        self._unverified = np.zeros(count, bool)
        self._pushed = np.zeros(count, bool)
        self._moved_by_hand = np.zeros(count, bool)

    @property
    def verifying(self) -> bool:
        """Whether a joint did not follow and commands were not compared at rest since."""
        return bool(self._unverified.any())

    def clear_peak(self) -> None:
        """Restart the largest errors at zero."""
        self.peak = np.zeros(len(self.limit))

    def not_following(self, error: Array) -> Flags:
        """Return the joints that do not follow: none unless an error exceeds its limit.

        They include joints of the same controller that stand away from their commands; those that
        follow at a distance are not among them. All arms may have stopped, so all commands are
        verified at the next rest.

        Args:
            error: Distance of command and measurement. Shape (nu,).
        """
        self.peak = np.maximum(self.peak, error)
        exceeded: Flags = error > self.limit
        if exceeded.any():
            self._unverified[:] = True
            same = self._same_controller[exceeded].any(axis=0)
            # The error of a gripper that holds an object is steady.
            slipped = error > self._steady_error + SLIP_SHARE * self.distance
            away = np.where(self._is_gripper, slipped, True) & (error > self.distance)
            # Since its last movement until the last measurement.
            stands = self._arm_still_s - self._measured_age_s >= STANDS_S
            exceeded = (same & away & stands) | exceeded
        return exceeded

    def update_commands(self, limiter: Limiter, dt: float) -> None:
        """Update the time for which each command has been still."""
        still = np.abs(limiter.velocity) <= self._still_speed
        self._command_still_s = np.where(still, self._command_still_s + dt, 0.0)
        self._clear_rest(~still)

    def moved_in_gap(self, error: Array) -> Flags:
        """Return the joints that moved while they were not measured.

        Args:
            error: Distance of command and first measurement after the gap. Shape (nu,).
        """
        moved: Flags = error > self._error + self.distance
        self._arm_still_s[moved] = 0.0
        return moved

    def to_reanchor(self, error: Array, measured: Array, holding: bool, dt: float) -> Flags:
        """Return the joints to reanchor: those at rest that do not hold their command.

        Args:
            error: Distance of command and measurement. Shape (nu,).
            measured: Measured positions in [rad] and [m]. Shape (nu,).
            holding: Whether the commands are held. While tracking the policy corrects an arm that a
                contact pushes away.
            dt: Time since the last call, in [s].
        """
        self._measured_age_s += dt
        if measured is not self._measured:
            # An error without a new measurement is not that of the arm.
            self._error, self._measured, self._measured_age_s = error, measured, 0.0
        self._update_arms(measured, dt)
        still = self._command_still_s >= SETTLE_S
        if not still.any():
            return still
        settled = still & (
            (self._arm_still_s >= SETTLE_S) | (self._command_still_s >= MAX_SETTLE_S)
        )
        new = settled & np.isnan(self._rest_position)
        chosen = self._away_at_rest(new, error) | self._away_after_fault(settled, error)
        # The first one only: a joint that is far again follows its command at a distance, and each
        # further one would move it on.
        chosen = np.where(self._far(error), self._reanchorings == 0, chosen)
        if not holding:
            chosen = np.zeros_like(still)
        self._unverified &= ~(settled & ~chosen)
        self._pushed &= ~settled
        self._begin_rest(new & ~chosen, error, measured)
        return chosen

    def begin(self, joints: Flags) -> None:
        """Begin to reanchor joints; this does not count for an arm that is moved by hand."""
        moved = joints & (self._arm_still_s < MOVED_S)
        self._moved_by_hand |= moved
        self._reanchorings[moved] = 0

    def reset(self, joints: Flags) -> None:
        """Restart joints whose commands were reanchored.

        An arm that was moved by hand has moved on since: it is reanchored again at its next rest.
        """
        moved = joints & self._moved_by_hand
        self._command_still_s[joints] = self._steady_error[joints] = 0.0
        self._rest_position[joints] = np.nan
        self._reanchorings[joints & ~moved] += 1
        # A gripper may have closed on an object since.
        self._pushed[joints] = (moved & ~self._is_gripper)[joints]
        self._unverified[joints] = self._moved_by_hand[joints] = False

    def _update_arms(self, measured: Array, dt: float) -> None:
        """Update the time for which each arm has been still, and whether it was pushed at rest."""
        moving = np.abs(measured - self._arm_still_at) > QUIET_SHARE * self.distance
        self._arm_still_at = np.where(moving, measured, self._arm_still_at)
        self._arm_still_s = np.where(moving, 0.0, self._arm_still_s + dt)
        pushed = np.abs(measured - self._rest_position) > self.distance
        self._clear_rest(pushed)
        self._pushed |= pushed

    def _away_at_rest(self, new: Flags, error: Array) -> Flags:
        """Return the joints that come to rest away from their commands, or that were pushed.

        Args:
            new: Joints that come to rest. Shape (nu,).
            error: Distance of command and measurement. Shape (nu,).
        """
        off = error > self._steady_error + self.distance
        away: Flags = new & (off & ~self._is_gripper | self._pushed)
        return away & (self._reanchorings < MAX_REANCHORINGS)

    def _away_after_fault(self, settled: Flags, error: Array) -> Flags:
        """Return the joints at rest whose drives may have been off, as a joint did not follow.

        A gripper holds an object unless its error has grown.
        """
        slipped = error > self._steady_error + SLIP_SHARE * self.distance
        away: Flags = settled & self._unverified & (slipped | ~self._is_gripper)
        return away

    def _far(self, error: Array) -> Flags:
        """Return the joints that are farther from a still command than any load moves them."""
        far: Flags = error > self._max_steady + self.distance
        return far & (self._command_still_s >= FAR_S)

    def _begin_rest(self, joints: Flags, error: Array, measured: Array) -> None:
        """Record position and steady error of joints that hold their commands."""
        steady = np.minimum(error, self._max_steady)
        self._rest_position = np.where(joints, measured, self._rest_position)
        self._steady_error = np.where(joints, steady, self._steady_error)

    def _clear_rest(self, joints: Flags) -> None:
        self._rest_position = np.where(joints, np.nan, self._rest_position)
        self._reanchorings = np.where(joints, 0, self._reanchorings)


def _same_controller(config: GuardConfig) -> Flags:
    """Return for each joint the joints of its controller. Shape (nu, nu)."""
    count = len(config.joints)
    if sum(config.controller_sizes) != count:
        return np.eye(count, dtype=bool)
    numbers = np.repeat(np.arange(len(config.controller_sizes)), config.controller_sizes)
    same: Flags = numbers[:, None] == numbers
    return same
