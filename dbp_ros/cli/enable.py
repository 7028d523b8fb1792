"""`dbp enable`: let the guard command the arms."""

import argparse

from dbp_ros.cli.operation import add_operation
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    add_operation(
        subparsers,
        "enable",
        "let the guard command the arms",
        "Enable control, from where the arms are. A refusal names every cause and what to do.",
        act,
    )


def act(operator: Operator) -> str:
    """Enable control; return the guard's sentence."""
    return operator.enable_control(True) or "control is enabled"
