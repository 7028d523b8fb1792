"""Checks of the stamps and arrivals of recorded messages: gaps and steps of a clock."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dbp_ros.errors import EpisodeError
from dbp_ros.types import NS_PER_S

# Longest time between two messages of a topic, in [s].
JOINT_STATE_GAP_S, IMAGE_GAP_S = 0.5, 1.0
# Smallest change of the time from stamp to arrival that is a step of a clock, in [s].
CLOCK_STEP_S = 0.5


def check_stamps(
    topic: str,
    arrivals_ns: Sequence[int],
    stamps_ns: Sequence[int],
    gap_s: float,
    end_ns: int,
) -> None:
    """Check the times of the messages of one topic.

    Args:
        topic: Name for the errors.
        arrivals_ns: Time of arrival of each message, at least one.
        stamps_ns: Stamp in the header of each message; zero if it has none.
        gap_s: Longest time between two messages, in [s].
        end_ns: End of the recording.

    Raises:
        EpisodeError: If there is a gap, or the stamps step against the arrivals.
    """
    arrivals, stamps = np.asarray(arrivals_ns, np.int64), np.asarray(stamps_ns, np.int64)
    gaps_s = np.diff(arrivals, append=end_ns) / NS_PER_S
    if gaps_s.max() > gap_s:
        index = int(gaps_s.argmax())
        raise EpisodeError(
            f"no message on {topic} for {gaps_s[index]:.2f} s after {_at(arrivals, index)}, "
            f"expected at most {gap_s:g} s: drop the recording or record it again"
        )
    stamped = np.flatnonzero(stamps)
    steps_s = np.diff(arrivals[stamped] - stamps[stamped]) / NS_PER_S
    if len(steps_s) and np.abs(steps_s).max() > CLOCK_STEP_S:
        index = int(np.abs(steps_s).argmax())
        raise EpisodeError(
            f"the stamps on {topic} step by {-steps_s[index]:+.2f} s against their arrival after "
            f"{_at(arrivals, int(stamped[index]))}: a clock was set during the recording; drop the "
            "recording or record it again"
        )


def _at(arrivals_ns: NDArray[np.int64], index: int) -> str:
    """Return a time as seconds after the first message, and as in the bag."""
    elapsed_s = (arrivals_ns[index] - arrivals_ns[0]) / NS_PER_S
    return f"{elapsed_s:.2f} s (at {arrivals_ns[index] / NS_PER_S:.3f})"
