"""`dbp cell deactivate`: switch a controller of the simulated cell off."""

import argparse

from dbp_ros.cli.operation import add_operation_with_arguments
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = add_operation_with_arguments(
        subparsers,
        "deactivate",
        "switch a controller of the simulated cell off",
        "Deactivate a controller of the simulated cell, as `ros2 control` does with a real one: "
        "its joints hold the last command.",
        act,
    )
    parser.add_argument("controller", help="such as left_forward_position_controller")


def act(operator: Operator, arguments: argparse.Namespace) -> str:
    """Switch the controller; return what became of it."""
    operator.trigger(f"{arguments.controller}/deactivate")
    return f"{arguments.controller} is inactive"
