"""Episodes of a set that all have the columns, rate and cameras of the first."""

from collections.abc import Iterator

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.spec import differences, spec_of
from dbp_ros.errors import EpisodeError


def uniform_episodes(episodes: EpisodeSet) -> Iterator[Episode]:
    """Yield the episodes of a set, one at a time.

    Raises:
        EpisodeError: If there is none, or one is damaged, has no steps, or differs from the first.
    """
    if not episodes.names:
        raise EpisodeError(f"{episodes.origin} has no episode, expected at least one")
    expected = None
    for index, name in enumerate(episodes.names):
        episode = episodes.read(index)
        if len(episode) == 0:
            raise EpisodeError(f"{episodes.origin}, {name} has no steps: drop the episode")
        expected = expected or spec_of(episode)
        different = differences(expected, spec_of(episode))
        if different:
            field, text = next(iter(different.items()))
            raise EpisodeError(
                f"{episodes.origin}, {name} differs from {episodes.names[0]} in {field} ({text}): "
                "drop it, or select what all episodes have"
            )
        yield episode
