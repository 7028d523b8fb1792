"""Trajectory through the points of a chunk."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dbp_ros.guard_state import NO_FRESH_CHUNK, WAITING_FOR_CHUNK
from dbp_ros.types import NS_PER_S, ActionChunk, Array


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Linear interpolation from the present command through the future points of a chunk.

    Attributes:
        times_ns: Due time of each point, increasing. Shape (points,).
        positions: Points. Shape (points, nu).
    """

    times_ns: NDArray[np.int64]
    positions: Array

    @classmethod
    def from_chunk(cls, chunk: ActionChunk, command: Array, now_ns: int) -> "Trajectory":
        """Return the trajectory from the present command through a chunk.

        Points that are already due are skipped, which compensates for the latency of the chunk. If
        all points are due, the last one is the target.

        Args:
            chunk: Chunk with times on the clock of `now_ns`.
            command: Last command. Shape (nu,).
            now_ns: Time of `command`.
        """
        due_ns = chunk.due_ns
        ahead = min(int(np.searchsorted(due_ns, now_ns, side="right")), len(due_ns) - 1)
        return cls(
            times_ns=np.concatenate(([now_ns], np.maximum(due_ns[ahead:], now_ns + 1))),
            positions=np.concatenate((command[None], chunk.positions[ahead:])),
        )

    def sample(self, now_ns: int) -> tuple[Array, Array]:
        """Return position and velocity at a time; after the end, the last point at rest.

        Returns:
            Position and velocity in [1/s]. Shapes (nu,).
        """
        after = int(np.searchsorted(self.times_ns, now_ns, side="left"))
        if after >= len(self.times_ns):
            return self.positions[-1], np.zeros_like(self.positions[-1])
        after = max(after, 1)
        duration_ns = self.times_ns[after] - self.times_ns[after - 1]
        step = self.positions[after] - self.positions[after - 1]
        fraction = max(0.0, (now_ns - self.times_ns[after - 1]) / duration_ns)
        return self.positions[after - 1] + fraction * step, step * (NS_PER_S / duration_ns)


class FollowedChunk:
    """Chunk that is followed, with its trajectory.

    Attributes:
        chunk: Newest chunk; None if there is none.
    """

    def __init__(self, timeout_ns: int) -> None:
        """Start without a chunk.

        Args:
            timeout_ns: Time after which a chunk is no longer followed.
        """
        self.chunk: ActionChunk | None = None
        self._trajectory: Trajectory | None = None
        self._timeout_ns = timeout_ns
        self._arrival_ns = 0

    def set(self, chunk: ActionChunk, now_ns: int) -> None:
        """Replace the chunk; call `plan` next."""
        self.chunk, self._arrival_ns = chunk, now_ns

    def clear(self) -> None:
        """Stop following the chunk."""
        self.chunk = self._trajectory = None

    def plan(self, command: Array, now_ns: int) -> None:
        """Start the trajectory at a command. See `Trajectory.from_chunk`."""
        if self.chunk is not None:
            self._trajectory = Trajectory.from_chunk(self.chunk, command, now_ns)

    def problem(self, now_ns: int) -> str:
        """Return why no chunk can be followed; empty if a chunk can."""
        if self._trajectory is None:
            return WAITING_FOR_CHUNK
        return NO_FRESH_CHUNK if now_ns - self._arrival_ns > self._timeout_ns else ""

    def sample(self, now_ns: int) -> tuple[Array, Array]:
        """Return position and velocity at a time, if there is no `problem`. See `Trajectory`."""
        assert self._trajectory is not None
        return self._trajectory.sample(now_ns)
