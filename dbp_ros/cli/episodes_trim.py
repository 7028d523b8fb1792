"""`dbp episodes trim`: set where an episode starts and ends."""

import argparse
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbp_ros.cli.data_flags import PATH_HELP, STRIDE, add_selection, selection_of
from dbp_ros.cli.episodes_label import EPISODE_HELP, change_labels
from dbp_ros.data.editing.episode_names import find_episodes
from dbp_ros.data.editing.motion_limits import motion_limits
from dbp_ros.data.episode import require_steps
from dbp_ros.data.formats import open_recordings
from dbp_ros.data.labelled_episodes import elapsed_s, trimmed_rows
from dbp_ros.data.labels import EpisodeLabel
from dbp_ros.data.selection import Selection
from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.settings.flags import flags_of

# Fields of `Selection` that trimming does not read.
SENSORS = ("images", "points", "image_size", *STRIDE)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Set the times from and until which episodes are read, in the file labels.yaml of the data "
        "set. The recordings stay as they are."
    )
    parser.epilog = (
        "examples: dbp episodes trim data/transport 3 --start 0.4 --end 7.2; "
        "dbp episodes trim data/transport 0-9 --suggest"
    )
    parser.add_argument("path", metavar="PATH", type=Path, help=PATH_HELP)
    parser.add_argument("episodes", metavar="EPISODE", nargs="+", help=EPISODE_HELP)
    parser.add_argument(
        "--start", type=float, help="first time, from the start of the recording [s]"
    )
    parser.add_argument("--end", type=float, help="last time, from the start of the recording [s]")
    parser.add_argument(
        "--suggest",
        action="store_true",
        help="print when the joints begin and stop to move, and write nothing",
    )
    parser.add_argument("--clear", action="store_true", help="read the whole episodes again")
    add_selection(parser, without=SENSORS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the limits, or print suggestions.

    Raises:
        ConfigError: If there is nothing to set, or flags contradict each other.
        EpisodeError: If the set cannot be opened, it has no such episode, or no step is left.
    """
    given: dict[str, Any] = {"start_s": arguments.start, "end_s": arguments.end}
    given = {name: value for name, value in given.items() if value is not None}
    if bool(given) + arguments.suggest + arguments.clear != 1:
        raise ConfigError("give --start and --end, or --suggest, or --clear")
    selection = replace(selection_of(arguments, without=SENSORS), images=(), points=())
    if arguments.suggest:
        return suggest(arguments.path, arguments.episodes, selection)
    if arguments.clear:
        given = {"start_s": None, "end_s": None}
    else:
        limits = given.get("start_s"), given.get("end_s")
        _check(arguments.path, arguments.episodes, limits, selection)
    change_labels(arguments.path, arguments.episodes, given, selection)
    return 0


def _check(
    path: Path,
    given: list[str],
    limits: tuple[float | None, float | None],
    selection: Selection,
) -> None:
    """Check that the limits leave a step of every episode.

    Raises:
        ConfigError: If they are negative or not in order.
        EpisodeError: If they do not.
    """
    start_s, end_s = limits
    # It refuses limits that are negative or not in order.
    EpisodeLabel(start_s=start_s, end_s=end_s)
    episodes = open_recordings(path, selection)
    for name in find_episodes(given, episodes.names, str(path)):
        episode = episodes.read(episodes.names.index(name))
        require_steps(name, episode)
        last_s = elapsed_s(episode)[-1]
        if end_s is not None and end_s > last_s + episode.step_s:
            raise EpisodeError(f"{name}: --end is {end_s:g} s, expected at most {last_s:.3f} s")
        trimmed_rows(episode, start_s, end_s)


def suggest(path: Path, given: list[str], selection: Selection) -> int:
    """Print the command that trims each episode to its motion."""
    episodes = open_recordings(path, selection)
    flags = flags_of(replace(selection, images=None, points=None))
    for name in find_episodes(given, episodes.names, str(path)):
        episode = episodes.read(episodes.names.index(name))
        try:
            start_s, end_s = motion_limits(episode)
        except EpisodeError as error:
            raise EpisodeError(f"{name}: {error}") from error
        last_s = elapsed_s(episode)[-1]
        print(f"# {name}: joints move from {start_s:.2f} to {end_s:.2f} s of {last_s:.2f} s")
        words = ["dbp", "episodes", "trim", str(path), name, *flags]
        print(shlex.join([*words, "--start", f"{start_s:.2f}", "--end", f"{end_s:.2f}"]))
    return 0
