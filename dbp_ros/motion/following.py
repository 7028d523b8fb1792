"""Whether the joints follow their commands, and when a command is to go to the measurement.

A forward controller hands a command over at once: when a controller, a drive or a robot that was
off starts to obey, its arm goes to the command in one cycle, however far that is. So a command
must not stay where its arm is not.
"""

import numpy as np

from dbp_ros.motion.limits import Limiter, Limits
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import NS_PER_S, Array, Flags

# Command and arm are at rest when both have been still for this long.
SETTLE_S = 0.3
# A measurement that does not become quiet, such as a noisy one, is waited for no longer than this.
RESTLESS_S = 2.0
# Share of the velocity limit below which a command counts as still.
STILL = 0.02
# Share of the tracking limit that a steady error of an arm may have: gravity, friction, payload.
STEADY = 0.4
# Share of the distance that an arm may leave its command by within which it counts as still.
QUIET = 0.1
# Share of that distance by which a gripper's error differs from that of its grip.
SLIP = 0.3
# After so many, what remains is how the arm hangs on its command: it would sink by one more.
MOST_YIELDS = 2
# An arm may be measured to move this many times as fast as it is commanded at most.
IMPLAUSIBLE = 3.0
SAMPLE_NS = NS_PER_S // 50
SAMPLES = 5


class FollowingMonitor:
    """Compares commands with measurements, joint by joint.

    Attributes:
        limit: Error at which a joint counts as lost, in [rad] and [m]. Shape (nu,).
        distance: Error from which a joint at rest is apart from its command. Shape (nu,).
        peak: Largest error since the start, or since it was cleared, under control. Shape (nu,).
    """

    def __init__(self, config: GuardConfig, limits: Limits) -> None:
        self.limit = np.array(config.tracking_error_limit)
        self.peak = np.zeros(len(self.limit))
        self.distance = config.reanchor_share * self.limit
        self._still_speed = STILL * limits.velocity
        self._grips = np.array([joint in config.gripper_joints for joint in config.joints])
        self._groups = _groups_of(config)
        # A gripper that holds an object stays away from its command for as long as it does.
        self._most_steady = np.where(self._grips, self.limit, STEADY * self.limit)
        self.begin(np.zeros(len(self.limit)))

    def begin(self, positions: Array) -> None:
        """Start to monitor commands that begin at the measured positions. Shape (nu,)."""
        count = len(self.limit)
        self._error = np.zeros(count)
        self._measured = positions
        self._steady = np.zeros(count)
        self._still_s = np.zeros(count)
        self._quiet_s = np.zeros(count)
        self._quiet_at = positions
        self._rest_at = np.full(count, np.nan)
        self._yields = np.zeros(count, int)
        self._suspect = np.zeros(count, bool)
        self._walked = np.zeros(count, bool)

    @property
    def suspects(self) -> bool:
        """Whether commands are still to be compared with the arms after a joint was lost."""
        return bool(self._suspect.any())

    def lost(self, error: Array) -> Flags:
        """Return the joints that do not follow, once the error of one is beyond its limit.

        With a joint goes whatever else of its controller is away from its command. The arms to
        which they belong may have stopped as a whole, so the next time that everything is at rest
        the commands of all arms go to the measurement.

        Args:
            error: Distance of command and measurement. Shape (nu,).
        """
        self.peak = np.maximum(self.peak, error)
        lost: Flags = error > self.limit
        if lost.any():
            self._suspect[:] = True
            lost = (self._groups[lost].any(axis=0) & (error > self.distance)) | lost
        return lost

    def advance(self, limiter: Limiter, dt: float) -> None:
        """Count for how long each command has been still."""
        still = np.abs(limiter.velocity) <= self._still_speed
        self._still_s = np.where(still, self._still_s + dt, 0.0)
        self._forget_rest(~still)

    def moved(self, error: Array) -> Flags:
        """Return the joints that parted from their command while they were not measured.

        Args:
            error: Distance of command and measurement, the first one after a gap. Shape (nu,).
        """
        return error > self._error + self.distance

    def apart(self, error: Array, measured: Array, holding: bool, dt: float) -> Flags:
        """Return the joints whose command is to go to the measurement: they do not hang on it.

        Args:
            error: Distance of command and measurement. Shape (nu,).
            measured: Measured positions in [rad] and [m]. Shape (nu,).
            holding: Whether the commands are held; an arm that is tracking may be pushed off by a
                contact, and the policy corrects that.
            dt: Time since the last call, in [s].
        """
        if measured is not self._measured:
            # What the error becomes while nothing new is measured says nothing about the arm.
            self._error, self._measured = error, measured
        moving = np.abs(measured - self._quiet_at) > QUIET * self.distance
        self._quiet_at = np.where(moving, measured, self._quiet_at)
        self._quiet_s = np.where(moving, 0.0, self._quiet_s + dt)
        still = self._still_s >= SETTLE_S
        if not still.any():
            return still
        # The arm was moved by something else since it came to rest.
        walked = np.abs(measured - self._rest_at) > self.distance
        self._forget_rest(walked)
        self._walked |= walked
        settled = still & ((self._quiet_s >= SETTLE_S) | (self._still_s >= RESTLESS_S))
        new = settled & np.isnan(self._rest_at)
        off = error > self._steady + self.distance
        apart: Flags = new & (off & ~self._grips | self._walked) & (self._yields < MOST_YIELDS)
        apart |= still & (error > self._most_steady + self.distance)
        slipped = error > self._steady + SLIP * self.distance
        apart |= settled & self._suspect & (slipped | ~self._grips)
        if not holding:
            apart = np.zeros_like(still)
        rests = new & ~apart
        self._suspect &= ~(settled & ~apart)
        self._walked &= ~settled
        self._rest_at = np.where(rests, measured, self._rest_at)
        self._steady = np.where(rests, np.minimum(error, self._most_steady), self._steady)
        return apart

    def reanchored(self, joints: Flags) -> None:
        """Begin again for joints whose command has gone to the measurement."""
        self._still_s[joints] = self._steady[joints] = 0.0
        self._rest_at[joints] = np.nan
        self._yields[joints] += 1
        self._suspect[joints] = self._walked[joints] = False

    def _forget_rest(self, joints: Flags) -> None:
        self._rest_at = np.where(joints, np.nan, self._rest_at)
        self._yields = np.where(joints, 0, self._yields)


def _groups_of(config: GuardConfig) -> Flags:
    """Return for each joint which joints its controller commands. Shape (nu, nu)."""
    count = len(config.joints)
    if sum(config.controller_sizes) != count:
        return np.eye(count, dtype=bool)
    numbers = np.repeat(np.arange(len(config.controller_sizes)), config.controller_sizes)
    groups: Flags = numbers[:, None] == numbers
    return groups


class SpeedEstimate:
    """How fast the joints move, from measurements of the last tenth of a second."""

    def __init__(self, velocity: Array, distance: Array) -> None:
        """Start without measurements.

        Args:
            velocity: Velocity limits in [rad/s] and [m/s]. Shape (nu,).
            distance: Noise and delays of the measurements, in [rad] and [m]. Shape (nu,).
        """
        self._samples: list[tuple[int, Array]] = []
        self._velocity = IMPLAUSIBLE * velocity
        self._distance = distance
        self._last: tuple[int, Array] | None = None

    def jump(
        self, positions: Array, command: Array | None, now_ns: int
    ) -> tuple[int, float] | None:
        """Return the joint that moved most away from its command and how far, if it cannot.

        A joint that comes closer to its command may do so in one step: a driver or a computer
        that stalled reports where the arm was, then where it is.

        Args:
            positions: Measured positions in [rad] and [m]. Shape (nu,).
            command: Last command. Shape (nu,); None where there is none.
            now_ns: When the positions arrived.
        """
        last, self._last = self._last, (now_ns, positions)
        if last is None or command is None:
            return None
        possible = self._distance + self._velocity * max(0.0, (now_ns - last[0]) / NS_PER_S)
        away = np.abs(positions - command) - np.abs(last[1] - command)
        if (away <= possible).all():
            return None
        worst = int(np.argmax(away / possible))
        return worst, float(np.abs(positions - last[1])[worst])

    def add(self, positions: Array, now_ns: int) -> None:
        """Record measured positions. Shape (nu,)."""
        if not self._samples or now_ns - self._samples[-1][0] >= SAMPLE_NS:
            self._samples = [*self._samples[1 - SAMPLES :], (now_ns, positions)]

    @property
    def value(self) -> Array | None:
        """Largest speed of each joint in [rad/s] and [m/s], shape (nu,); None where not known."""
        if len(self._samples) < 2:
            return None
        times_ns = np.array([at_ns for at_ns, _ in self._samples])
        steps = np.diff([positions for _, positions in self._samples], axis=0)
        mean: Array = np.abs(steps).sum(axis=0) * NS_PER_S / float(times_ns[-1] - times_ns[0])
        return mean
