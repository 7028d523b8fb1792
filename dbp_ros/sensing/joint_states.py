"""Joint states merged from several publishers, with an age per joint.

A robot usually has several publishers of `joint_states`: a driver per arm, and drivers of the
gripper and a mobile base. Live nodes and the bag reader use the same merger, so that a policy
receives the same positions from both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dbp_ros.errors import ObservationError
from dbp_ros.types import Array, Indices

# Largest gap in the sequence numbers of one publisher, because of lost messages.
MAX_SEQUENCE_GAP = 1000
# Two publishers of a joint conflict if both publish it within this time.
CONFLICT_NS = 1_000_000_000
# A publisher that was silent for longer, and starts new sequence numbers, was restarted.
SILENCE_NS = 100_000_000
NO_PARTS: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class JointReadings:
    """Positions of the robot's joints in one message.

    Attributes:
        indices: Indices into the robot's joint names. Shape (n,).
        positions: Measured positions in [rad] and [m]. Shape (n,).
        stamp_ns: Stamp of the message, on the ROS clock.
    """

    indices: Indices
    positions: Array
    stamp_ns: int


class JointLayout:
    """Columns of a robot's joints in the messages of one publisher."""

    def __init__(self, names: Sequence[str], joints: Sequence[str]) -> None:
        """Find the joints of a robot among the names of a message."""
        self._names, self._joints = tuple(names), tuple(joints)
        found = [(k, names.index(joint)) for k, joint in enumerate(joints) if joint in names]
        self._indices, self._columns = np.array(found, np.int64).reshape(-1, 2).T
        self._repeated = ", ".join(joint for joint in joints if names.count(joint) > 1)

    def readings(self, positions: Array, stamp_ns: int) -> JointReadings | None:
        """Return the positions of the robot's joints, or None if a message has none of them.

        Args:
            positions: Positions of a message with these names, in [rad] and [m].
            stamp_ns: Stamp of the message.

        Raises:
            ObservationError: If a joint is named twice, or its position is missing or not finite.
        """
        if self._repeated:
            raise ObservationError(f"joint_states names {self._repeated} more than once")
        if not len(self._indices):
            return None
        if len(positions) != len(self._names):
            raise ObservationError(
                f"joint_states has {len(positions)} positions for {len(self._names)} names"
            )
        own = positions[self._columns].astype(np.float64, copy=False)
        if not np.isfinite(own).all():
            joint = self._joints[self._indices[int(np.argmin(np.isfinite(own)))]]
            raise ObservationError(f"joint_states is not finite for {joint}")
        return JointReadings(self._indices, own, stamp_ns)


@dataclass(frozen=True, slots=True)
class JointStates:
    """Positions of all joints of the robot.

    Attributes:
        positions: Newest position of each joint in [rad] and [m]. Shape (nu,).
        stamp_ns: Oldest stamp of a joint.
        arrival_ns: Oldest arrival of a joint.
        arrivals_ns: Arrival of each joint. Shape (nu,).
    """

    positions: Array
    stamp_ns: int
    arrival_ns: int
    arrivals_ns: NDArray[np.int64]


class JointStateMerger:
    """Newest position of each joint, from messages with some of the joints. Not thread-safe."""

    def __init__(self, joints: Sequence[str]) -> None:
        """Start without positions."""
        self._joints = tuple(joints)
        self._positions = np.full(len(self._joints), np.nan)
        self._stamps_ns = np.zeros(len(self._joints), np.int64)
        self._arrivals_ns = np.zeros(len(self._joints), np.int64)
        self._received = np.zeros(len(self._joints), bool)

    @property
    def complete(self) -> bool:
        """Whether every joint has been received."""
        return bool(self._received.all())

    @property
    def missing(self) -> tuple[str, ...]:
        """Joints that have not been received."""
        return self._names(~self._received)

    def add(self, readings: JointReadings, arrival_ns: int) -> JointStates | None:
        """Merge one message.

        Args:
            readings: Joints of the message.
            arrival_ns: Arrival time.

        Returns:
            All joints, if every joint is known and the oldest stamp has advanced: one result per
            round of the drivers, with a unique stamp. None otherwise. If a driver stamps with zero,
            every message gives a result, so that the zero stamp is detected.
        """
        oldest_ns = int(self._stamps_ns.min())
        was_complete = self.complete
        positions = self._positions.copy()
        positions[readings.indices] = readings.positions
        self._positions = positions
        self._stamps_ns[readings.indices] = readings.stamp_ns
        self._arrivals_ns[readings.indices] = arrival_ns
        self._received[readings.indices] = True
        same = was_complete and int(self._stamps_ns.min()) == oldest_ns
        if not self.complete or (same and oldest_ns):
            return None
        return self.latest()

    def latest(self) -> JointStates | None:
        """Return the newest position of every joint, or None if one is missing."""
        if not self.complete:
            return None
        arrivals_ns = self._arrivals_ns.copy()
        return JointStates(
            self._positions, int(self._stamps_ns.min()), int(arrivals_ns.min()), arrivals_ns
        )

    def stale(self, now_ns: int, max_age_ns: int) -> tuple[str, ...]:
        """Return the joints that were last received more than `max_age_ns` ago."""
        return self._names(self._received & (now_ns - self._arrivals_ns > max_age_ns))

    def problem(self, now_ns: int, max_age_ns: int) -> str:
        """Return a sentence about missing or stale joints; empty if there are none."""
        if missing := self.missing:
            return f"joint_states lacks {', '.join(missing)}"
        if stale := self.stale(now_ns, max_age_ns):
            limit_ms = max_age_ns / 1e6
            return f"joint_states lacks {', '.join(stale)}: not received for {limit_ms:.0f} ms"
        return ""

    def _names(self, mask: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(joint for joint, chosen in zip(self._joints, mask, strict=True) if chosen)


@dataclass(slots=True)
class _Series:
    """Messages with consecutive sequence numbers, from one publisher."""

    parts: frozenset[int]
    sequence: int
    arrival_ns: int


class PublisherConflictDetector:
    """Detector of two publishers of the same data, by the sequence numbers of their messages.

    DDS numbers the messages of each publisher. Numbers that alternate between two series come from
    two publishers. A restarted publisher starts one new series after a silence. A lost message at
    the transition may look like one return to the old series. Middleware without sequence numbers
    is not checked.
    """

    def __init__(self, memory_ns: int = CONFLICT_NS) -> None:
        """Start without messages.

        Args:
            memory_ns: Longest silence after which a restart is detected.
        """
        self._memory_ns = max(CONFLICT_NS, memory_ns)
        self._series: list[_Series] = []
        self._jumped_ns: int | None = None
        self._detected_ns: int | None = None
        self.conflicting = NO_PARTS

    def add(self, parts: frozenset[int], sequence: int | None, arrival_ns: int) -> frozenset[int]:
        """Record the arrival of a message; return the parts whose publisher was restarted.

        Args:
            parts: Contents of the message, such as indices of joints.
            sequence: Sequence number of its publisher; None if there is none.
            arrival_ns: Arrival time.
        """
        if sequence is None:
            return NO_PARTS
        restarted = NO_PARTS
        live = [s for s in self._series if arrival_ns - s.arrival_ns <= self._memory_ns]
        match = self._match(live, parts, sequence)
        # A restarted publisher may reach the numbers of a publisher of other parts.
        if match is None or match.parts.isdisjoint(parts):
            restarted = self._restarted(live, parts, sequence, arrival_ns)
        if match is None or restarted:
            live.append(_Series(parts, sequence, arrival_ns))
        else:
            # A series that continues after another has begun: two publishers are active.
            later = [
                s
                for s in live
                if s is not match
                and s.parts & parts
                and s.arrival_ns >= match.arrival_ns
                and arrival_ns - s.arrival_ns <= CONFLICT_NS
            ]
            if later:
                if self._jumped_ns is not None and arrival_ns - self._jumped_ns <= CONFLICT_NS:
                    self._detected_ns = arrival_ns
                self._jumped_ns = arrival_ns
                self.conflicting = parts & NO_PARTS.union(*(s.parts for s in later))
            match.parts, match.sequence, match.arrival_ns = parts, sequence, arrival_ns
        self._series = live
        return restarted

    @staticmethod
    def _restarted(
        series: Sequence[_Series], parts: frozenset[int], sequence: int, arrival_ns: int
    ) -> frozenset[int]:
        """Return the parts of silent series whose numbers a message begins again."""
        silent = [
            s.parts
            for s in series
            if arrival_ns - s.arrival_ns > SILENCE_NS and sequence <= s.sequence
        ]
        return NO_PARTS.union(*silent) & parts

    def detected(self, now_ns: int) -> bool:
        """Return whether two publishers were detected within the last second."""
        return self._detected_ns is not None and now_ns - self._detected_ns <= CONFLICT_NS

    @staticmethod
    def _match(series: Sequence[_Series], parts: frozenset[int], sequence: int) -> _Series | None:
        """Return the series that a message continues: with the same parts and the smallest gap.

        The parts of a publisher may change between messages. When a restarted publisher reaches its
        old numbers, the newer series matches.
        """
        gaps = [
            (s.parts != parts, sequence - s.sequence, -s.arrival_ns, k)
            for k, s in enumerate(series)
            if 0 < sequence - s.sequence <= MAX_SEQUENCE_GAP
        ]
        return series[min(gaps)[-1]] if gaps else None
