"""`dbp cell protective-stop`: let the simulated arms ignore every command and hold."""

import argparse

from dbp_ros.cli.operation import add_operation_with_arguments
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = add_operation_with_arguments(
        subparsers,
        "protective-stop",
        "let the simulated arms ignore every command and hold",
        "Let the arms of the simulated cell hold and ignore their controllers, as real arms do in "
        "a protective stop. When it ends they go to the last command that a controller received.",
        act,
    )
    parser.add_argument("--end", action="store_true", help="end the protective stop")


def act(operator: Operator, arguments: argparse.Namespace) -> str:
    """Begin or end the stop; return what the arms do."""
    operator.set("simulation/protective_stop", not arguments.end)
    return "the arms obey their controllers" if arguments.end else "the arms hold"
