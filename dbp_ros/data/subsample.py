"""Episodes with fewer rows: for a policy that plans in longer steps than were recorded."""

from dataclasses import replace

from dbp_ros.data.episode import Episode
from dbp_ros.data.formats import EpisodeSet
from dbp_ros.errors import EpisodeError


class Subsampled:
    """Each episode of a set as several, of every n-th row from the first, the second, ... on."""

    def __init__(self, whole: EpisodeSet, every: int) -> None:
        """Wrap a set.

        Args:
            whole: All rows.
            every: Rows in a step.
        """
        self._whole, self._every = whole, every
        self.origin = whole.origin
        self.names = tuple(
            f"{name}, from row {first}" for name in whole.names for first in range(every)
        )

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet.read`."""
        number, first = divmod(index, self._every)
        return subsample(self._whole.read(number), self._every, first)

    def sha256(self) -> str:
        """Return that of the whole set."""
        return self._whole.sha256()


def subsample(episode: Episode, every: int, first: int = 0) -> Episode:
    """Return an episode of longer steps; rows at the end that make no whole step are dropped.

    An action is what was commanded for the end of its step, a reward what there was then.

    Raises:
        EpisodeError: If not one step is left.
    """
    steps = (len(episode) - first) // every
    if steps < 1:
        raise EpisodeError(
            f"{len(episode)} rows from row {first} on make no step of {every}: take fewer"
        )
    begins = slice(first, first + every * steps, every)
    ends = slice(first + every - 1, first + every * steps, every)
    return replace(
        episode,
        step_s=every * episode.step_s,
        states=episode.states[begins],
        actions=episode.actions[ends],
        rewards=episode.rewards[ends],
        stamps_ns=episode.stamps_ns[begins],
        images={name: pictures[begins] for name, pictures in episode.images.items()},
        points={name: clouds[begins] for name, clouds in episode.points.items()},
    )
