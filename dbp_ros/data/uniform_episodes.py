"""Episodes that all have the columns, rate and cameras of the first."""

from collections.abc import Iterable, Iterator

from dbp_ros.data.episode import Episode, require_steps
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.spec import SetSpec, differences, spec_of
from dbp_ros.errors import EpisodeError


def uniform_episodes(episodes: EpisodeSet) -> Iterator[Episode]:
    """Yield the episodes of a set, one at a time.

    Raises:
        EpisodeError: If there is none, or one is damaged, has no steps, or differs from the first.
    """
    if not episodes.names:
        raise EpisodeError(f"{episodes.origin} has no episode, expected at least one")
    return require_uniform(
        (f"{episodes.origin}, {name}", episodes.read(index))
        for index, name in enumerate(episodes.names)
    )


def require_uniform(episodes: Iterable[tuple[str, Episode]]) -> Iterator[Episode]:
    """Yield episodes, each after its comparison with the first.

    Args:
        episodes: Pairs of a name for error messages and the episode.

    Raises:
        EpisodeError: If one has no steps, or differs from the first.
    """
    first: tuple[str, SetSpec] | None = None
    for name, episode in episodes:
        require_steps(name, episode)
        spec = spec_of(episode)
        first = first or (name, spec)
        for field, difference in differences(first[1], spec).items():
            raise EpisodeError(
                f"{name} differs from {first[0]} in {field} ({difference}): discard it with "
                "dbp episodes label, or keep different episodes in separate folders"
            )
        yield episode
