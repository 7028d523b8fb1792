"""Where the motion of an episode begins and ends."""

import numpy as np

from dbp_ros.data.episode import Episode
from dbp_ros.data.labelled_episodes import elapsed_s
from dbp_ros.errors import EpisodeError

# A joint has moved when it differs from its first or last position by this share of its range, and
# by this share of the largest range: smaller motion is noise.
MOVED_SHARE, NOISE_SHARE = 0.02, 0.005
# A column with a smaller share of the largest range only has noise.
RANGE_SHARE = 0.02
# Time that stays before and after the motion, in [s].
MARGIN_S = 0.1


def motion_limits(episode: Episode) -> tuple[float, float]:
    """Return the times in [s] from which and until which the joints move, with a margin.

    Raises:
        EpisodeError: If no joint moves.
    """
    joints = [name for name in episode.state_names if name in episode.action_names]
    columns = [episode.state_names.index(name) for name in joints or episode.state_names]
    states = episode.states[:, columns].astype(np.float64)
    ranges = np.ptp(states, axis=0) if len(states) else np.zeros(0)
    largest = ranges.max(initial=0.0)
    if largest == 0.0:
        raise EpisodeError("no joint moves: discard the episode")
    moving = ranges >= RANGE_SHARE * largest
    threshold = np.maximum(MOVED_SHARE * ranges[moving], NOISE_SHARE * largest)
    states = states[:, moving]
    begun = (np.abs(states - states[0]) > threshold).any(axis=1)
    unfinished = (np.abs(states - states[-1]) > threshold).any(axis=1)
    times_s = elapsed_s(episode)
    start_s = times_s[int(begun.argmax())] - MARGIN_S
    end_s = times_s[len(states) - 1 - int(unfinished[::-1].argmax())] + MARGIN_S
    return max(0.0, float(start_s)), min(float(times_s[-1]), float(end_s))
