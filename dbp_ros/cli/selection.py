"""Flags that select the columns of a data set."""

import argparse
from dataclasses import fields

from dbp_ros.data.selection import Selection

_MANY = ("state", "images", "points")


def add_selection_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every field of `Selection`."""
    group = parser.add_argument_group(
        "columns of the data set", "the format of the data set sets the defaults"
    )
    docs = {item.name: item.metadata["doc"] for item in fields(Selection)}
    for name in _MANY:
        group.add_argument(f"--{name}", nargs="*", metavar="KEY", help=docs[name])
    group.add_argument("--action", default="", metavar="KEY", help=docs["action"])
    group.add_argument("--step-s", type=float, metavar="S", help=docs["step_s"])
    group.add_argument("--stride", type=int, metavar="N", help=docs["stride"])


def selection_of(arguments: argparse.Namespace) -> Selection:
    """Return the selection of a command line.

    Raises:
        EpisodeError: If it fits no data set.
    """
    values = {item.name: getattr(arguments, item.name) for item in fields(Selection)}
    return Selection.from_dict(values)


def selection_words(selection: Selection) -> list[str]:
    """Return the flags of a selection."""
    words = []
    for name, value in selection.to_dict().items():
        words += [f"--{name.replace('_', '-')}", *map(str, value if name in _MANY else [value])]
    return words
