"""All checks of a data set."""

from collections.abc import Callable, Iterator

from dbp_ros.data.checks.cameras import check_cameras
from dbp_ros.data.checks.consistency import EpisodeSummary, compare, summarise
from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.checks.following import Following, check_following, measure_following
from dbp_ros.data.checks.joints import check_jumps, check_limits
from dbp_ros.data.checks.stamps import check_stamps
from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection
from dbp_ros.data.units import ColumnUnits
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.robot_files import read_robot


def check_set(
    episodes: EpisodeSet,
    selection: Selection = DEFAULT_SELECTION,
    on_checked: Callable[[], None] = lambda: None,
) -> list[EpisodeFinding]:
    """Return the findings of every episode, then those of the whole set.

    Args:
        episodes: The set.
        selection: Selection with which it is open; the limits of its robot hold.
        on_checked: Called after each episode.
    """
    description = read_robot(selection.robot) if selection.robot else None
    units = ColumnUnits.of_selection(selection)
    findings: list[EpisodeFinding] = []
    summaries: list[EpisodeSummary] = []
    for index, name in enumerate(episodes.names):
        try:
            episode = episodes.read(index)
        except EpisodeError as error:
            findings.append(_unreadable(name, error))
        else:
            following = measure_following(episode, units)
            findings += check_episode(name, episode, following, description)
            if len(episode):
                summaries.append(summarise(name, episode, following))
        on_checked()
    return [*findings, *compare(summaries)]


def check_episode(
    name: str, episode: Episode, following: Following, robot: RobotDescription | None = None
) -> Iterator[EpisodeFinding]:
    """Find the faults of one episode."""
    if not len(episode):
        fix = "discard it with dbp episodes label --discard"
        yield EpisodeFinding("error", name, "length", "the episode has no steps", fix)
        return
    still = (
        [camera for camera, one in robot.cameras.items() if not one.detect_frozen] if robot else []
    )
    yield from check_stamps(name, episode)
    yield from check_cameras(name, episode, still)
    yield from check_jumps(name, episode, robot)
    yield from check_following(name, following)
    if robot is not None:
        yield from check_limits(name, episode, robot)


def _unreadable(name: str, error: EpisodeError) -> EpisodeFinding:
    fix = "correct what the message names, or discard the episode with dbp episodes label --discard"
    reason = str(error).removeprefix(f"{name}: ")
    return EpisodeFinding("error", name, "data", f"it cannot be read: {reason}", fix)
