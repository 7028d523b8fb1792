"""`dbp reset`: clear a latched stop."""

import argparse

from dbp_ros.cli.operation import add_operation
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    add_operation(
        subparsers,
        "reset",
        "clear a latched stop",
        "Clear a latched stop, after its cause has been removed. Control stays disabled.",
        act,
    )


def act(operator: Operator) -> str:
    """Clear a latched stop; return the guard's sentence."""
    return operator.trigger("guard/reset") or "no stop is latched: go on with dbp enable"
