"""`dbp home`: move the arms to the robot's start pose."""

import argparse

from dbp_ros.cli.operation import NAMESPACE_HELP
from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.homing import Homing


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "home",
        help="move the arms to the robot's start pose",
        description=(
            "Deactivate the policy and move the arms to home_positions of the guard: slowly, "
            "straight in joint space, within the guard's limits. Watch the way: obstacles and the "
            "other arm are not avoided, and grippers open. Ctrl-C holds the arms."
        ),
    )
    parser.add_argument("--namespace", default="", help=NAMESPACE_HELP)
    parser.add_argument(
        "--enable", action="store_true", help="Enable control first, where it is not"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Move the arms home.

    Raises:
        DbpError: If something keeps them from moving home.
    """
    with connected(arguments.namespace, "home") as operator:
        print(Homing(operator, lambda line: print(line, flush=True)).run(arguments.enable))
    return 0
