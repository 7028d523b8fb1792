"""Rewards in a recorded episode."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.bags.stamped_series import StampedSeries
from dbp_ros.types import Floats

# Role in bags of this package, and name of the topic.
REWARD = "reward"


def reward_series(messages: Iterable[tuple[int, Any]]) -> StampedSeries[float]:
    """Return the published rewards; those that are not finite are left out.

    Args:
        messages: `std_msgs/msg/Float64` by time of arrival.
    """
    rewards = ((ns, float(message.data)) for ns, message in messages)
    return StampedSeries((ns, reward) for ns, reward in rewards if math.isfinite(reward))


def reward_rows(
    series: StampedSeries[float], stamps_ns: NDArray[np.int64], step_ns: int, solved: bool
) -> Floats:
    """Return the published reward one step after each row, zero before the first one.

    Args:
        series: Published rewards; without any, the last row of a solved episode has reward one.
        stamps_ns: Time of each row. Shape (steps,).
        step_ns: Time between two rows.
        solved: Whether the episode ended with a success.

    Returns:
        Shape (steps,).
    """
    rewards = np.zeros(len(stamps_ns), np.float32)
    if not series.values:
        rewards[-1:] = float(solved)
        return rewards
    for index, stamp_ns in enumerate(stamps_ns.tolist()):
        rewards[index] = series.latest(stamp_ns + step_ns) or 0.0
    return rewards
