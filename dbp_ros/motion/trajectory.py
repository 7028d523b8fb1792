"""The way through the points of a chunk, sampled at any time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dbp_ros.types import NS_PER_S, ActionChunk, Array


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Straight lines from where the command is now through the points still ahead.

    Attributes:
        times_ns: When each point is due, rising. Shape (points,).
        positions: The points. Shape (points, nu).
    """

    times_ns: NDArray[np.int64]
    positions: Array

    @classmethod
    def from_chunk(cls, chunk: ActionChunk, command: Array, now_ns: int) -> "Trajectory":
        """Join a chunk to the present command.

        Points that are due already are skipped: the command for now is taken at the right
        index, however long the chunk was on its way. A chunk that is all past leaves its last
        point as the only target.

        Args:
            chunk: What to follow; its times are on the clock of `now_ns`.
            command: The last command sent. Shape (nu,).
            now_ns: The time at which `command` holds.
        """
        due_ns = chunk.due_ns
        ahead = min(int(np.searchsorted(due_ns, now_ns, side="right")), len(due_ns) - 1)
        return cls(
            times_ns=np.concatenate(([now_ns], np.maximum(due_ns[ahead:], now_ns + 1))),
            positions=np.concatenate((command[None], chunk.positions[ahead:])),
        )

    def sample(self, now_ns: int) -> tuple[Array, Array]:
        """Return the position and the velocity at a time; past the end, the last point at rest.

        Returns:
            Position and velocity in [1/s]. Shapes (nu,).
        """
        after = int(np.searchsorted(self.times_ns, now_ns, side="left"))
        if after >= len(self.times_ns):
            return self.positions[-1], np.zeros_like(self.positions[-1])
        after = max(after, 1)
        span_ns = self.times_ns[after] - self.times_ns[after - 1]
        way = self.positions[after] - self.positions[after - 1]
        part = max(0.0, (now_ns - self.times_ns[after - 1]) / span_ns)
        return self.positions[after - 1] + part * way, way * (NS_PER_S / span_ns)
