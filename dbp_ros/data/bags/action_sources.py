"""Sources of the actions of a recording: the commands in effect at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.bags.stamped_series import StampedSeries
from dbp_ros.types import Array, Indices


class ActionSource(Protocol):
    """Commands of all joints by time."""

    def at(self, stamp_ns: int) -> Array | None:
        """Return the command in effect at a time; None if a joint has none yet. Shape (nu,)."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Joints without any command."""


class MeasuredPositions:
    """Measured positions in place of commands."""

    missing: tuple[str, ...] = ()

    def __init__(self, positions: StampedSeries[Array]) -> None:
        self._positions = positions

    def at(self, stamp_ns: int) -> Array | None:
        """Return the newest positions at a time."""
        return self._positions.latest(stamp_ns)


@dataclass(frozen=True)
class PartialCommand:
    """Command of some joints.

    Attributes:
        arrival_ns: Time of arrival.
        indices: Joints. Shape (n,).
        positions: In [rad] and [m]. Shape (n,).
    """

    arrival_ns: int
    indices: Indices
    positions: Array


class HeldCommands:
    """Commands that stay in effect until the next one of the same joint."""

    def __init__(self, joints: Sequence[str], commands: Iterable[PartialCommand]) -> None:
        """Merge commands of some of the joints, in order of arrival."""
        newest = np.full(len(joints), np.nan)
        merged: list[tuple[int, Array]] = []
        for command in commands:
            newest = newest.copy()
            newest[command.indices] = command.positions
            if not np.isnan(newest).any():
                merged.append((command.arrival_ns, newest))
        self._commands = StampedSeries(merged)
        self.missing = _names(joints, newest)

    def at(self, stamp_ns: int) -> Array | None:
        """Return the newest command at a time."""
        return self._commands.latest(stamp_ns)


@dataclass(frozen=True)
class RecordedTrajectory:
    """Trajectory of some joints.

    Attributes:
        arrival_ns: Time of arrival.
        indices: Joints. Shape (n,).
        due_ns: Time of each point. Shape (points,).
        positions: In [rad] and [m]. Shape (points, n).
    """

    arrival_ns: int
    indices: Indices
    due_ns: NDArray[np.int64]
    positions: Array

    def at(self, stamp_ns: int) -> Array:
        """Return the positions at a time, linear between points and constant outside."""
        # Differences are exact in float64, absolute times are not.
        times = (self.due_ns - stamp_ns).astype(np.float64)
        columns = [np.interp(0.0, times, column) for column in self.positions.T]
        return np.array(columns)


class Trajectories:
    """Points of the newest trajectory of each joint."""

    def __init__(self, joints: Sequence[str], trajectories: Iterable[RecordedTrajectory]) -> None:
        """Group trajectories by their joints."""
        self._size = len(joints)
        groups: dict[tuple[int, ...], list[tuple[int, RecordedTrajectory]]] = {}
        commanded = np.full(self._size, np.nan)
        for one in trajectories:
            groups.setdefault(tuple(one.indices.tolist()), []).append((one.arrival_ns, one))
            commanded[one.indices] = 0.0
        self._groups = [StampedSeries(group) for group in groups.values()]
        self.missing = _names(joints, commanded)

    def at(self, stamp_ns: int) -> Array | None:
        """Return the point at a time of each joint's newest trajectory."""
        newest = filter(None, (group.latest(stamp_ns) for group in self._groups))
        command = np.full(self._size, np.nan)
        for one in sorted(newest, key=lambda trajectory: trajectory.arrival_ns):
            command[one.indices] = one.at(stamp_ns)
        return None if np.isnan(command).any() else command


def _names(joints: Sequence[str], values: Array) -> tuple[str, ...]:
    return tuple(joint for joint, value in zip(joints, values, strict=True) if np.isnan(value))
