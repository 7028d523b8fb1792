"""New data sets of episodes from others: files are linked and renumbered, or converted."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dbp_ros.data.episode import SUFFIX, episode_path, is_episode_file, write_episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.labels import NO_LABEL, EpisodeLabel, read_labels, write_labels
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection
from dbp_ros.data.spec import differences, spec_of
from dbp_ros.data.uniform_episodes import require_uniform
from dbp_ros.errors import EpisodeError

BAG_SUFFIX = ".mcap"
# Number of the first episode; the recorder of bags starts at 1.
FIRST_NUMBER = {SUFFIX: 0, BAG_SUFFIX: 1}


@dataclass(frozen=True)
class SourceEpisode:
    """An episode of a data set.

    Attributes:
        data: Path of the set.
        name: Name of the episode.
        label: Its label; empty if it has none.
        selection: What is read of the set.
    """

    data: Path
    name: str
    label: EpisodeLabel = NO_LABEL
    selection: Selection = DEFAULT_SELECTION


def source_episodes(data: Path, selection: Selection = DEFAULT_SELECTION) -> list[SourceEpisode]:
    """Return the episodes of a set that are not discarded, with their labels.

    Raises:
        EpisodeError: If the set cannot be opened.
    """
    labels = read_labels(data)
    return [
        SourceEpisode(data, name, labels.get(name, NO_LABEL), selection)
        for name in open_episodes(data, selection).names
    ]


def common_suffix(episodes: Sequence[SourceEpisode]) -> str:
    """Return the suffix of the episodes if each is a whole file of this package, all of one kind.

    Returns:
        `.npz`, `.mcap`, or nothing if the episodes must be converted.
    """
    suffixes = set(map(_own_suffix, episodes))
    return suffixes.pop() if len(suffixes) == 1 else ""


def _own_suffix(episode: SourceEpisode) -> str:
    """Return the suffix of an episode that is a whole file of this package; empty for others."""
    path = episode.data / episode.name
    is_whole = episode.selection == DEFAULT_SELECTION and path.is_file()
    if not (is_whole and path.name.startswith("episode_") and path.suffix in FIRST_NUMBER):
        return ""
    return path.suffix if path.suffix != SUFFIX or is_episode_file(path) else ""


def require_same_spec(paths: Sequence[Path], selection: Selection = DEFAULT_SELECTION) -> None:
    """Require that the first episodes of all sets have the same columns, step and cameras.

    Raises:
        EpisodeError: If a set differs from the first, with each difference.
    """
    specs = [(path, spec_of(open_episodes(path, selection).read(0))) for path in paths]
    for path, spec in specs[1:]:
        if different := differences(specs[0][1], spec):
            found = "; ".join(f"{field}: {text}" for field, text in different.items())
            raise EpisodeError(
                f"{path} does not fit {specs[0][0]}: {found}. Merge only sets of one robot, rate "
                "and cameras"
            )


def link_episodes(folder: Path, episodes: Sequence[SourceEpisode], suffix: str) -> list[str]:
    """Write renumbered hard links to the files of episodes, or copies on another disk.

    Args:
        folder: Empty folder.
        episodes: Episodes that are files with this suffix.
        suffix: `.npz` or `.mcap`.

    Returns:
        The new names, in order.
    """
    names, labels = [], {}
    for number, one in enumerate(episodes, FIRST_NUMBER[suffix]):
        name = f"episode_{number:06d}{suffix}"
        _link(one.data / one.name, folder / name)
        names.append(name)
        labels[name] = one.label
    write_labels(folder, labels)
    return names


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copy2(source, target)


def convert_episodes(
    folder: Path,
    episodes: Sequence[SourceEpisode],
    on_written: Callable[[], None] = lambda: None,
) -> list[str]:
    """Write episodes of any format as `.npz` files, with their labels applied.

    Args:
        folder: Folder, whose episodes are those of an interrupted conversion and are kept.
        episodes: The episodes.
        on_written: Called after each episode.

    Returns:
        The new names, in order.

    Raises:
        EpisodeError: If an episode is damaged, or differs from the first.
    """
    paths = [episode_path(folder, number) for number in range(len(episodes))]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    for _ in range(len(paths) - len(missing)):
        on_written()
    # Every episode is compared with the first one.
    numbers = missing if missing[:1] in ([], [0]) else [0, *missing]
    selections = {one.data: one.selection for one in episodes}
    sets = {data: open_episodes(data, selection) for data, selection in selections.items()}
    read = (
        (f"{one.data}, {one.name}", sets[one.data].read(sets[one.data].names.index(one.name)))
        for one in (episodes[number] for number in numbers)
    )
    for number, episode in zip(numbers, require_uniform(read), strict=True):
        if number in missing:
            write_episode(paths[number], episode)
            on_written()
    return [path.name for path in paths]
