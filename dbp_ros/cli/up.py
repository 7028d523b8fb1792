"""`dbp up`: start the stack without `ros2 launch`."""

import argparse
import os
from collections.abc import Sequence

from dbp_ros.errors import ConfigError
from dbp_ros.runtime.supervisor import Supervisor
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.stack.preflight import checked_processes
from dbp_ros.stack.processes import ESSENTIAL, StackConfig, remaps_among
from dbp_ros.stack.remaps import EXAMPLE


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb, with an option for each setting of the stack."""
    parser.description = (
        "Check the settings, start the stack and print the log of its processes until Ctrl-C. "
        "If the guard exits, the stack exits with status 1. If another process exits, this is "
        "logged, and the guard continues and holds the arms."
    )
    parser.epilog = "The stack reads ROS_DOMAIN_ID and the other environment variables of ROS 2."
    parser.add_argument(
        "remaps",
        nargs="*",
        metavar="FROM:=TO",
        help=f"remap rule, as in --remap; for a camera by its name: {EXAMPLE}",
    )
    add_settings(parser, StackConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the stack until SIGINT or SIGTERM, or until the guard ends.

    Raises:
        DbpError: If a setting, a file or the model is wrong, or a library is not installed.
    """
    arguments.remap = " ".join(filter(None, (arguments.remap, *_remaps(arguments.remaps))))
    config: StackConfig = settings_from(StackConfig, arguments)
    if config.hardware != "none":
        raise ConfigError(
            f"hardware is {config.hardware}, which needs packages of ROS 2: use ros2 launch "
            "dbp_ros dual_arm.launch.py, or start the hardware by itself"
        )
    supervisor = Supervisor(
        {process.name: process.command(config.namespace) for process in checked_processes(config)},
        os.environ,
        ESSENTIAL,
    )
    return supervisor.run()


def _remaps(words: Sequence[str]) -> Sequence[str]:
    """Return the remap rules among the positional arguments.

    Raises:
        ConfigError: If a word is an argument of the launch file instead.
    """
    rules = remaps_among(words)
    for word in words:
        if ":=" in word and word not in rules:
            flag = f"--{word.partition(':=')[0].replace('_', '-')}"
            raise ConfigError(
                f"{word} is an argument of ros2 launch: use {flag}, see dbp up --help"
            )
    return words
