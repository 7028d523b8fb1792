"""`dbp up`: start the stack, as `ros2 launch` does, on a machine without it."""

import argparse
import importlib.util
import os
from dataclasses import fields

from dbp_ros.errors import ConfigError
from dbp_ros.stack import StackConfig, processes
from dbp_ros.supervisor import Supervisor

ESSENTIAL = "guard"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb, with an option for each setting of the stack."""
    parser = subparsers.add_parser(
        "up",
        help="start the stack: guard, policy and simulated cell",
        description=(
            "Start the stack and show what its processes say, until Ctrl-C. A process that dies is "
            "reported and not restarted; the guard goes on and holds the arms."
        ),
        epilog="The stack uses ROS_DOMAIN_ID and every other variable of ROS 2 as it finds them.",
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
    """Run the stack until it is told to end.

    Raises:
        ConfigError: If a setting is wrong or a library is not installed.
    """
    config = StackConfig(
        **{item.name: getattr(arguments, item.name) for item in fields(StackConfig)}
    )
    _require("rclpy", "ros", "or source a ROS 2 installation")
    if config.sim:
        _require("mujoco", "sim", "or give --no-sim")
    supervisor = Supervisor(
        {process.name: process.command(config.namespace) for process in processes(config)},
        os.environ,
        ESSENTIAL,
    )
    return supervisor.run()


def _require(library: str, extra: str, otherwise: str) -> None:
    if importlib.util.find_spec(library) is None:
        raise ConfigError(f"dbp up needs {library}: pip install 'dbp_ros[{extra}]', {otherwise}")
