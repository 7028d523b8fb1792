"""Interventions of a human in a recorded episode."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.bags.stamped_series import StampedSeries
from dbp_ros.types import Flags

# Role in bags of this package, and name of the topic.
INTERVENTION = "intervention"


def intervention_series(messages: Iterable[tuple[int, Any]]) -> StampedSeries[bool]:
    """Return the times in [ns] from which a human, or a policy, drives.

    Args:
        messages: `std_msgs/msg/Bool` by time of arrival.
    """
    return StampedSeries((ns, bool(message.data)) for ns, message in messages)


def intervention_rows(
    series: StampedSeries[bool], stamps_ns: NDArray[np.int64], step_ns: int
) -> Flags:
    """Return whether a human drove at any time from each row to the next.

    Args:
        series: By time; without values a policy drove.
        stamps_ns: Time of each row. Shape (steps,).
        step_ns: Time between two rows.

    Returns:
        Shape (steps,).
    """
    return np.array([any(series.between(ns, ns + step_ns - 1)) for ns in stamps_ns.tolist()], bool)
