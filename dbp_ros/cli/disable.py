"""`dbp disable`: bring the arms to rest and command them no more."""

import argparse

from dbp_ros.cli.operation import add_operation
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    add_operation(
        subparsers,
        "disable",
        "bring the arms to rest and command them no more",
        "Bring the arms to rest, then command them no more. Nothing is latched.",
        act,
    )


def act(operator: Operator) -> str:
    """Disable control; return the guard's sentence."""
    return operator.enable_control(False) or "control is disabled: the arms are brought to rest"
