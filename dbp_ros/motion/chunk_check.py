"""Checks of a chunk before the guard follows it."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.motion.limits import Limits
from dbp_ros.runtime.stamps import LATE_NS, StampCheck
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import ActionChunk, seconds_to_ns

# Smallest margin in [rad] and [m]: a fraction of a short stroke is less than usual overshoot.
MIN_MARGIN = 0.25


class ChunkCheck:
    """Validation of chunks: shape, finite values, age and range."""

    def __init__(
        self, topic: str, joints: Sequence[str], limits: Limits, config: GuardConfig
    ) -> None:
        """Prepare.

        Args:
            topic: Topic of the chunks, for errors.
            joints: Joints of a chunk, in order.
            limits: Limits of each joint.
            config: Settings of the guard.
        """
        self._joints = joints
        self._limits = limits
        margin = np.maximum(config.position_margin * (limits.upper - limits.lower), MIN_MARGIN)
        self._lowest, self._highest = limits.lower - margin, limits.upper + margin
        self._max_age_ns = seconds_to_ns(config.chunk_timeout_s)
        self._stamps = StampCheck(topic, self._max_age_ns)

    def problem(self, chunk: ActionChunk, now_ns: int) -> str:
        """Return the reason to refuse a chunk; empty if it is valid."""
        shape = chunk.positions.shape
        if len(shape) != 2 or shape[0] == 0 or shape[1] != len(self._joints):
            return f"a chunk has shape {shape}, expected (points, {len(self._joints)})"
        if not np.isfinite(chunk.positions).all():
            joint = self._joints[int(np.argwhere(~np.isfinite(chunk.positions))[0][1])]
            return f"a chunk is not finite for {joint}"
        if chunk.due_ns.shape != shape[:1] or (np.diff(chunk.due_ns) <= 0).any():
            return "a chunk does not have one increasing due time per point"
        return self._age_problem(chunk, now_ns) or self._range_problem(chunk)

    def _age_problem(self, chunk: ActionChunk, now_ns: int) -> str:
        age_ns = now_ns - chunk.stamp_ns
        if abs(age_ns) <= self._max_age_ns * chunk.slowdown:
            return ""
        if abs(age_ns) > LATE_NS * chunk.slowdown:
            return self._stamps.problem(chunk.stamp_ns, now_ns, chunk.slowdown)
        return (
            f"a chunk is {age_ns / 1e6:.0f} ms old, expected at most "
            f"{self._max_age_ns / 1e6:.0f} ms: are the clocks synchronised?"
        )

    def _range_problem(self, chunk: ActionChunk) -> str:
        outside = (chunk.positions < self._lowest) | (chunk.positions > self._highest)
        if not outside.any():
            return ""
        point, joint = np.argwhere(outside)[0]
        lower, upper = self._limits.lower[joint], self._limits.upper[joint]
        return (
            f"a chunk moves {self._joints[joint]} to {chunk.positions[point, joint]:.4g}, far "
            f"beyond its limits {lower:.4g} to {upper:.4g}: expected radians and metres, are these "
            "degrees?"
        )
