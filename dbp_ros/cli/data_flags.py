"""Arguments of the verbs that read a data set."""

import argparse

from dbp_ros.data.selection import Selection
from dbp_ros.settings.flags import add_settings

PATH_HELP = "data set: a folder or a file in any format that dbp train reads"


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the flags that select what is read of a data set."""
    columns = parser.add_argument_group(
        "columns of the data set", "the format of the data set sets the defaults"
    )
    add_settings(columns, Selection)
