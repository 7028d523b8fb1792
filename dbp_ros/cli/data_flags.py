"""Arguments of the verbs that read a data set."""

import argparse

from dbp_ros.data.selection import Selection
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.flags import add_settings

UNIT_FLAGS = ("robot", "units", "gripper_units")
PATH_HELP = "data set: a folder or a file in any format that dbp train reads"


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the flags that select what is read of a data set."""
    columns = parser.add_argument_group(
        "columns of the data set", "the format of the data set sets the defaults"
    )
    add_settings(columns, Selection)


def add_units(parser: argparse.ArgumentParser) -> None:
    """Add the flags that select names and units: the robot, and units without a robot."""
    add_settings(parser, Selection, UNIT_FLAGS)


def unit_selection(arguments: argparse.Namespace) -> Selection:
    """Return the selection of the flags of `add_units`.

    Raises:
        EpisodeError: If the flags contradict each other.
    """
    return from_mapping(Selection, {name: getattr(arguments, name) for name in UNIT_FLAGS})
