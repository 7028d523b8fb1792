"""Joint states merged by joint: each driver publishes its own joints, each joint has its own age.

A robot usually has more than one publisher of `joint_states`: a driver per arm, one for the
gripper, one for a mobile base. Live nodes and the reader of bags use the same merger, so that a
policy gets the same positions from both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dbp_ros.errors import ObservationError
from dbp_ros.types import Array, Indices

# Gap in the sequence numbers of one publisher that lost messages can explain.
MAX_SEQUENCE_GAP = 1000
# Two publishers of a joint conflict if both publish it within this time.
CONFLICT_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class JointReadings:
    """The joints of one message that belong to the robot.

    Attributes:
        indices: Which joints, as indices into the robot's joint names. Shape (n,).
        positions: Measured positions in [rad] and [m]. Shape (n,).
        stamp_ns: Stamp of the message, on the clock of its publisher.
    """

    indices: Indices
    positions: Array
    stamp_ns: int


class JointLayout:
    """Where the joints of a robot are in the messages of one publisher."""

    def __init__(self, names: Sequence[str], joints: Sequence[str]) -> None:
        """Find the joints of a robot among the names of a message."""
        self._names, self._joints = tuple(names), tuple(joints)
        found = [(k, names.index(joint)) for k, joint in enumerate(joints) if joint in names]
        self._indices, self._columns = np.array(found, np.int64).reshape(-1, 2).T
        self._repeated = ", ".join(joint for joint in joints if names.count(joint) > 1)

    def readings(self, positions: Array, stamp_ns: int) -> JointReadings | None:
        """Return the positions of the robot's joints, or None where a message has none of them.

        Args:
            positions: Of a message with these names, in [rad] and [m].
            stamp_ns: Its stamp.

        Raises:
            ObservationError: If a joint of the robot is named twice, or its position is missing or
                not finite.
        """
        if self._repeated:
            raise ObservationError(f"joint_states names {self._repeated} more than once")
        if not len(self._indices):
            return None
        if len(positions) != len(self._names):
            raise ObservationError(
                f"joint_states has {len(positions)} positions for {len(self._names)} names"
            )
        ours = positions[self._columns].astype(np.float64, copy=False)
        if not np.isfinite(ours).all():
            joint = self._joints[self._indices[int(np.argmin(np.isfinite(ours)))]]
            raise ObservationError(f"joint_states is not finite for {joint}")
        return JointReadings(self._indices, ours, stamp_ns)


@dataclass(frozen=True, slots=True)
class JointStates:
    """Positions of all joints of the robot.

    Attributes:
        positions: Newest position of each joint in [rad] and [m]. Shape (nu,).
        stamp_ns: Stamp of the joint that was measured first: the oldest joint counts.
        arrival_ns: Arrival of the joint that arrived first.
    """

    positions: Array
    stamp_ns: int
    arrival_ns: int


class JointStateMerger:
    """Merges messages that each hold some of a robot's joints. Not thread-safe."""

    def __init__(self, joints: Sequence[str]) -> None:
        """Start without any position.

        Args:
            joints: Names of the robot's joints.
        """
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
        """Joints that have never been received."""
        return self._named(~self._received)

    def add(self, readings: JointReadings, arrival_ns: int) -> JointStates | None:
        """Merge one message.

        Args:
            readings: Joints of the message.
            arrival_ns: When it arrived.

        Returns:
            All joints, if every joint is known and the oldest stamp has advanced: one result for
            each complete round of the drivers, with a stamp of its own. None otherwise. Where a
            driver stamps with zero, every message gives a result, so that this is noticed.
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
        """Return the newest position of every joint, or None while one is missing."""
        if not self.complete:
            return None
        return JointStates(
            self._positions, int(self._stamps_ns.min()), int(self._arrivals_ns.min())
        )

    def stale(self, now_ns: int, max_age_ns: int) -> tuple[str, ...]:
        """Return the joints that were received, but last more than `max_age_ns` ago."""
        return self._named(self._received & (now_ns - self._arrivals_ns > max_age_ns))

    def problem(self, now_ns: int, max_age_ns: int) -> str:
        """Return which joints are missing or stale, as a sentence; empty where none is."""
        if missing := self.missing:
            return f"joint_states lacks {', '.join(missing)}"
        if stale := self.stale(now_ns, max_age_ns):
            limit_ms = max_age_ns / 1e6
            return f"joint_states lacks {', '.join(stale)}: not received for {limit_ms:.0f} ms"
        return ""

    def _named(self, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(
            joint for joint, is_chosen in zip(self._joints, chosen, strict=True) if is_chosen
        )


@dataclass(slots=True)
class _Series:
    """Messages with consecutive sequence numbers, which come from one publisher."""

    parts: frozenset[int]
    sequence: int
    arrival_ns: int


class PublisherConflict:
    """Detects two publishers of the same data by the sequence numbers of their messages.

    DDS numbers the messages of each publisher. Numbers that jump back and forth between two series
    come from two publishers; a publisher that was restarted starts one new series, and may seem to
    jump back once, if a message is lost where it arrives at the numbers that it had. Middleware
    that does not number messages (the number is None) is never reported.
    """

    def __init__(self) -> None:
        self._series: list[_Series] = []
        self._jumped_ns: int | None = None
        self._detected_ns: int | None = None
        self.conflicting: frozenset[int] = frozenset()

    def add(self, parts: frozenset[int], sequence: int | None, arrival_ns: int) -> None:
        """Record the arrival of a message.

        Args:
            parts: What the message holds, such as indices of joints.
            sequence: Number that its publisher gave it.
            arrival_ns: When it arrived.
        """
        if sequence is None:
            return
        live = [s for s in self._series if arrival_ns - s.arrival_ns <= CONFLICT_NS]
        match = self._match(live, parts, sequence)
        if match is None:
            match = _Series(parts, sequence, arrival_ns)
            live.append(match)
        else:
            # A series that goes on after another one has begun: two publishers are alive.
            later = [
                s
                for s in live
                if s is not match and s.parts & parts and s.arrival_ns >= match.arrival_ns
            ]
            if later:
                if self._jumped_ns is not None and arrival_ns - self._jumped_ns <= CONFLICT_NS:
                    self._detected_ns = arrival_ns
                self._jumped_ns = arrival_ns
                self.conflicting = parts & frozenset().union(*(s.parts for s in later))
            match.parts, match.sequence, match.arrival_ns = parts, sequence, arrival_ns
        self._series = live

    def detected(self, now_ns: int) -> bool:
        """Return whether two publishers were seen within the last second."""
        return self._detected_ns is not None and now_ns - self._detected_ns <= CONFLICT_NS

    @staticmethod
    def _match(series: Sequence[_Series], parts: frozenset[int], sequence: int) -> _Series | None:
        """Return the series that a message continues: of the same parts, with the smallest gap.

        A publisher may send other parts from one message to the next, with the next number. One
        that was restarted arrives at the numbers that it had before: the newer series counts.
        """
        gaps = [
            (s.parts != parts, sequence - s.sequence, -s.arrival_ns, k)
            for k, s in enumerate(series)
            if 0 < sequence - s.sequence <= MAX_SEQUENCE_GAP
        ]
        return series[min(gaps)[-1]] if gaps else None
