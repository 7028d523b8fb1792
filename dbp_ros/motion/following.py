"""Whether the joints follow their commands, and when a command is to be set to the measurement.

A forward controller hands a command over at once: when a controller, a drive or a robot that was
off starts to obey, its arm goes to the command in one cycle, however far that is. So a command
must not stay where its arm is not.
"""

import numpy as np

from dbp_ros.config import GuardConfig
from dbp_ros.contract import NS_PER_S, Array, Flags
from dbp_ros.motion.limits import Limiter, Limits

# A command that has been still for this long has a measurement that is still too.
SETTLE_S = 0.3
# Share of the velocity limit below which a command counts as still.
STILL = 0.02
# Share of the tracking limit that a steady error of an arm may have: gravity, friction, payload.
STEADY = 0.4
SAMPLE_NS = NS_PER_S // 50
SAMPLES = 5


class FollowingMonitor:
    """Compares commands with measurements, joint by joint.

    Attributes:
        limit: Error at which a joint counts as lost, in [rad] and [m]. Shape (nu,).
        peak: Largest error since the start, or since it was cleared, under control. Shape (nu,).
    """

    def __init__(self, config: GuardConfig, limits: Limits) -> None:
        self.limit = np.array(config.tracking_error_limit)
        self.peak = np.zeros(len(self.limit))
        self._distance = config.reanchor_share * self.limit
        self._still_speed = STILL * limits.velocity
        self._grips = np.array([joint in config.gripper_joints for joint in config.joints])
        # A gripper that holds an object stays away from its command for as long as it does.
        self._most_steady = np.where(self._grips, self.limit, STEADY * self.limit)
        self.begin()

    def begin(self) -> None:
        """Start to monitor commands that begin at the measurement."""
        self._still_s = np.zeros(len(self.limit))
        self._steady = np.zeros(len(self.limit))
        self._suspect = np.zeros(len(self.limit), bool)
        self._last_error = np.zeros(len(self.limit))

    def lost(self, error: Array) -> Flags:
        """Return the joints whose error is beyond the tracking limit.

        The arms to which they belong may have stopped as a whole, so the next time that the
        commands are at rest those of all arms are set to the measurement.

        Args:
            error: Distance of command and measurement. Shape (nu,).
        """
        self.peak = np.maximum(self.peak, error)
        lost: Flags = error > self.limit
        if lost.any():
            self._suspect = ~self._grips
        return lost

    def advance(self, limiter: Limiter, dt: float) -> None:
        """Count for how long each command has been still."""
        still = np.abs(limiter.velocity) <= self._still_speed
        self._still_s = np.where(still, self._still_s + dt, 0.0)

    def moved(self, error: Array) -> Flags:
        """Return the joints that parted from their command while they were not measured.

        Args:
            error: Distance of command and measurement, the first one after a gap. Shape (nu,).
        """
        return error > self._last_error + self._distance

    def apart(self, error: Array, holding: bool) -> Flags:
        """Return the joints at rest whose arm is elsewhere: it walked away, or did not come along.

        Args:
            error: Distance of command and measurement. Shape (nu,).
            holding: Whether the commands are held; one that is tracking may be pushed off by a
                contact, and the policy corrects that.
        """
        self._last_error = error
        settled = self._still_s >= SETTLE_S
        if not settled.any():
            return settled
        apart: Flags = settled & (error > self._steady + self._distance) | settled & self._suspect
        if not holding:
            apart = np.zeros_like(settled)
        first = settled & (self._steady == 0.0)
        steady = np.where(first, error, np.minimum(self._steady, error))
        self._steady = np.where(
            settled & ~apart, np.minimum(steady, self._most_steady), self._steady
        )
        return apart

    def reanchored(self, joints: Flags) -> None:
        """Forget what was steady for joints whose command has been set to the measurement."""
        self._still_s[joints] = self._steady[joints] = 0.0
        self._suspect[joints] = False


class SpeedEstimate:
    """How fast the joints move, from measurements of the last tenth of a second."""

    def __init__(self) -> None:
        self._samples: list[tuple[int, Array]] = []

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
