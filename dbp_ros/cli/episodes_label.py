"""`dbp episodes label`: set outcome and task of episodes, or discard some."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbp_ros.cli.data_flags import PATH_HELP, STRIDE, add_selection, selection_of
from dbp_ros.data.editing.episode_names import find_episodes
from dbp_ros.data.formats import open_recordings
from dbp_ros.data.labels import NO_LABEL, EpisodeLabel, labels_path, read_labels, write_labels
from dbp_ros.data.selection import Selection
from dbp_ros.errors import ConfigError

EPISODE_HELP = "name of an episode, its number, or a range of numbers such as 3-7"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Set outcome or task of episodes, discard them or restore them, in the file labels.yaml of "
        "the data set. The recordings stay as they are; every command reads the set with its "
        "labels."
    )
    parser.epilog = "example: dbp episodes label data/transport 3 7-9 --outcome failure"
    parser.add_argument("path", metavar="PATH", type=Path, help=PATH_HELP)
    parser.add_argument("episodes", metavar="EPISODE", nargs="+", help=EPISODE_HELP)
    parser.add_argument("--outcome", choices=("success", "failure"), help="outcome of the episodes")
    parser.add_argument("--task", help="name of the task")
    use = parser.add_mutually_exclusive_group()
    use.add_argument("--discard", action="store_true", help="leave the episodes out")
    use.add_argument("--restore", action="store_true", help="include discarded episodes again")
    add_selection(parser, without=STRIDE)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the labels.

    Raises:
        ConfigError: If there is nothing to set.
        EpisodeError: If the set cannot be opened, or has no such episode.
    """
    changes: dict[str, Any] = {}
    if arguments.outcome:
        changes["outcome"] = arguments.outcome
    if arguments.task is not None:
        if not arguments.task.strip():
            raise ConfigError("--task is empty, expected the name of a task")
        changes["task"] = arguments.task
    if arguments.discard or arguments.restore:
        changes["discarded"] = arguments.discard
    if not changes:
        raise ConfigError("nothing to set: give --outcome, --task, --discard or --restore")
    change_labels(
        arguments.path, arguments.episodes, changes, selection_of(arguments, without=STRIDE)
    )
    return 0


def change_labels(
    path: Path, given: list[str], changes: dict[str, Any], selection: Selection
) -> None:
    """Change the labels of some episodes, and print them.

    Args:
        path: Data set.
        given: Episodes on the command line.
        changes: New values of the fields of `EpisodeLabel`.
        selection: What the set needs to be opened.
    """
    names = open_recordings(path, selection).names
    labels = read_labels(path)
    chosen = find_episodes(given, names, str(path))
    labels |= {name: replace(labels.get(name, NO_LABEL), **changes) for name in chosen}
    write_labels(path, labels)
    for name in chosen:
        print(f"{name}: {described(labels[name])}")
    print(f"wrote {labels_path(path)}")


def described(label: EpisodeLabel) -> str:
    """Return a label as one line of text."""
    values = label.to_dict()
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "no label"
