"""`dbp up`: start the stack, as `ros2 launch` does, on a machine without it."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import fields

from dbp_ros.errors import ConfigError
from dbp_ros.runtime.supervisor import Supervisor
from dbp_ros.stack.preflight import checked_processes
from dbp_ros.stack.processes import ESSENTIAL, StackConfig, remaps_among
from dbp_ros.stack.remaps import EXAMPLE


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb, with an option for each setting of the stack."""
    parser.description = (
        "Check the settings, start the stack and print the log of its processes until Ctrl-C. "
        "If the guard ends, the stack ends with status 1. If another process ends, that is "
        "reported; the guard still runs and holds the arms."
    )
    parser.epilog = (
        "The stack uses ROS_DOMAIN_ID and every other variable of ROS 2 as it finds them."
    )
    parser.add_argument(
        "remaps",
        nargs="*",
        metavar="FROM:=TO",
        help=f"a topic under another name, as --remap; a camera by its name: {EXAMPLE}",
    )
    for item in fields(StackConfig):
        option = f"--{item.name.replace('_', '-')}"
        doc = item.metadata["doc"]
        if isinstance(item.default, bool):
            shown = f"{doc} (default: {'yes' if item.default else 'no'})"
            parser.add_argument(
                option, action=argparse.BooleanOptionalAction, default=item.default, help=shown
            )
        else:
            shown = f"{doc} (default: {item.default or 'none'})"
            kind = type(item.default)
            parser.add_argument(option, type=kind, default=item.default, help=shown)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the stack until SIGINT or SIGTERM, or until the guard ends.

    Raises:
        DbpError: If a setting, a file or the model is wrong, or a library is not installed.
    """
    values = {item.name: getattr(arguments, item.name) for item in fields(StackConfig)}
    values["remap"] = " ".join(filter(None, (values["remap"], *_remaps(arguments.remaps))))
    config = StackConfig(**values)
    supervisor = Supervisor(
        {process.name: process.command(config.namespace) for process in checked_processes(config)},
        os.environ,
        ESSENTIAL,
    )
    return supervisor.run()


def _remaps(words: Sequence[str]) -> Sequence[str]:
    """Return remaps that stand in the command line without a flag.

    Raises:
        ConfigError: If a word is an argument of the launch file.
    """
    rules = remaps_among(words)
    for word in words:
        if ":=" in word and word not in rules:
            flag = f"--{word.partition(':=')[0].replace('_', '-')}"
            raise ConfigError(f"{word} is for ros2 launch: use {flag}, see dbp up --help")
    return words
