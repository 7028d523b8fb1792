"""Reanchoring: moves the commands of joints that do not hold them to the measured positions."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.motion.counters import GuardCounters
from dbp_ros.motion.following import FollowingMonitor
from dbp_ros.motion.limits import Limiter
from dbp_ros.types import Array, Flags


class Reanchoring:
    """Joints whose commands move to fixed targets, the positions measured when they were chosen.

    Attributes:
        joints: Joints being reanchored. Shape (nu,).
    """

    def __init__(
        self, names: Sequence[str], following: FollowingMonitor, counters: GuardCounters
    ) -> None:
        self.joints: Flags = np.zeros(len(names), bool)
        self._targets = np.zeros(len(names))
        self._names, self._following, self._counters = names, following, counters

    @property
    def active(self) -> bool:
        """Whether a joint is being reanchored."""
        return bool(self.joints.any())

    @property
    def first_joint(self) -> str:
        """Name of the first joint being reanchored."""
        return self._names[int(np.argmax(self.joints))]

    def set_moved(self, limiter: Limiter, measured: Array) -> bool:
        """Set the commands of joints that moved in a gap of the measurements; return if any did.

        Args:
            limiter: Commands at rest.
            measured: First measured positions after the gap. Shape (nu,).
        """
        moved = self._following.moved_in_gap(np.abs(limiter.command - measured))
        if not moved.any():
            return False
        self._begin(moved, measured)
        limiter.set_command(moved, measured)
        self._end(moved)
        return True

    def update(self, limiter: Limiter, measured: Array, controlled: bool, holding: bool) -> str:
        """Choose joints to reanchor; return a reason to stop if a joint does not follow.

        Args:
            limiter: Present commands.
            measured: Measured positions in [rad] and [m]. Shape (nu,).
            controlled: Whether control is enabled and no stop is latched.
            holding: Whether the commands are held.
        """
        error = np.abs(limiter.command - measured)
        reason = ""
        if controlled and (off := self._following.not_following(error)).any():
            worst = int(np.argmax(error / self._following.limit))
            reason = f"{self._names[worst]} is {error[worst]:.3f} away from its command"
            self._begin(off, measured)
        off = self._following.to_reanchor(error, measured, holding or reason != "", limiter.dt)
        if not self.active and off.any():
            self._begin(off, measured)
        return reason

    def advance(self, limiter: Limiter) -> bool:
        """Move the commands within the limits; return whether they have arrived.

        A step would be a jump of the arm if the measurement is wrong.
        """
        arrived = limiter.ramp(self.joints, self._targets)
        if arrived:
            self._end(self.joints)
        return arrived

    def _begin(self, joints: Flags, measured: Array) -> None:
        self._counters.reanchors += 1
        self._following.begin(joints)
        self.joints = self.joints | joints
        self._targets = np.where(joints, measured, self._targets)

    def _end(self, joints: Flags) -> None:
        self._following.reset(joints)
        self.joints = self.joints & ~joints
