"""`dbp cell activate`: let a controller of the simulated cell obey commands again."""

import argparse

from dbp_ros.cli.operation import add_operation_with_arguments
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = add_operation_with_arguments(
        subparsers,
        "activate",
        "let a controller of the simulated cell obey commands again",
        "Activate a controller of the simulated cell. It drops what it received before.",
        act,
    )
    parser.add_argument("controller", help="such as left_forward_position_controller")


def act(operator: Operator, arguments: argparse.Namespace) -> str:
    """Switch the controller; return what became of it."""
    operator.trigger(f"{arguments.controller}/activate")
    return f"{arguments.controller} is active"
