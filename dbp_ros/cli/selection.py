"""The flags that say what to read of a data set, shared by the verbs that learn from one."""

import argparse
from dataclasses import fields

from dbp_ros.data.selection import Selection

_MANY = ("state", "images", "points")


def add_selection_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every field of `Selection`."""
    group = parser.add_argument_group(
        "what to read of the data set", "its format decides what is not given"
    )
    docs = {item.name: item.metadata["doc"] for item in fields(Selection)}
    for name in _MANY:
        group.add_argument(f"--{name}", nargs="*", metavar="KEY", help=docs[name])
    group.add_argument("--action", default="", metavar="KEY", help=docs["action"])
    group.add_argument("--step-s", type=float, metavar="S", help=docs["step_s"])
    group.add_argument("--every", type=int, metavar="N", help=docs["every"])


def selection_of(arguments: argparse.Namespace) -> Selection:
    """Return the selection that a command line asks for.

    Raises:
        EpisodeError: If no data set could answer it.
    """
    asked = {item.name: getattr(arguments, item.name) for item in fields(Selection)}
    return Selection.of_document(asked)


def selection_words(selection: Selection) -> list[str]:
    """Return the flags that ask for a selection."""
    words = []
    for name, value in selection.document().items():
        words += [f"--{name.replace('_', '-')}", *map(str, value if name in _MANY else [value])]
    return words
