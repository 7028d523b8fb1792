"""Arguments of the verbs that read a data set."""

import argparse
from collections.abc import Collection
from dataclasses import fields

from dbp_ros.data.selection import Selection
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.flags import add_settings

# It makes several episodes of one, so names and numbers are no longer those of the recordings.
STRIDE = ("stride",)
PATH_HELP = "data set: a folder or a file in any format that dbp train reads"


def add_selection(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Add the flags that select what is read of a data set.

    Args:
        parser: Parser of a verb.
        without: Fields of `Selection` that the verb does not have.
    """
    columns = parser.add_argument_group(
        "columns of the data set", "the format of the data set sets the defaults"
    )
    add_settings(columns, Selection, _names(without))


def selection_of(arguments: argparse.Namespace, without: Collection[str] = ()) -> Selection:
    """Return the selection of the flags of `add_selection`.

    Raises:
        EpisodeError: If the flags contradict each other.
    """
    return from_mapping(Selection, {name: getattr(arguments, name) for name in _names(without)})


def _names(without: Collection[str]) -> list[str]:
    return [item.name for item in fields(Selection) if item.name not in without]
