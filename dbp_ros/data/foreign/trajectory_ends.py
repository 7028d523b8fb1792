"""Check that the arrays of a file are those of one episode, not of concatenated ones."""

from collections.abc import Collection, Mapping

import numpy as np

from dbp_ros.data.importing import Values
from dbp_ros.errors import EpisodeError

# Flags of the last row of an episode, as in D4RL.
END_FLAGS = ("terminals", "timeouts", "dones")
# Number of the episode of each row.
EPISODE_NUMBERS = ("episode_index",)
# Length of each episode, or the row after its last one.
EPISODE_LENGTHS = ("traj_lengths", "episode_ends")


def end_keys(keys: Collection[str]) -> set[str]:
    """Return the keys that mark the ends of episodes, also in groups."""
    names = (*END_FLAGS, *EPISODE_NUMBERS, *EPISODE_LENGTHS)
    return {key for key in keys if _name(key) in names}


def require_one_episode(arrays: Mapping[str, Values]) -> None:
    """Check that no episode ends before the last row.

    Flags that stay set up to the last row mark no end before it.

    Args:
        arrays: Arrays of `end_keys`. Shapes (steps,) or (steps, 1), or (episodes,) for lengths.

    Raises:
        EpisodeError: With the key and the row of the first end.
    """
    for key, values in arrays.items():
        ends = _ends(_name(key), values.reshape(-1))
        if len(ends):
            raise EpisodeError(
                f"{key} marks the end of an episode at row {int(ends[0])}, expected none before "
                "the last row: store each episode in a file of its own, or as data/demo_0, "
                "data/demo_1, ... of robomimic, or drop the key if the rows are of one episode"
            )


def _ends(name: str, values: Values) -> Values:
    """Return the last row of each episode but the last one."""
    if name in EPISODE_LENGTHS:
        rows = np.cumsum(values) if name == "traj_lengths" else values
        return rows[:-1] - 1
    if name in EPISODE_NUMBERS:
        return np.flatnonzero(np.diff(values))
    flags = values != 0
    return np.flatnonzero(flags[:-1] & ~flags[1:])


def _name(key: str) -> str:
    return key.rpartition(".")[2]
