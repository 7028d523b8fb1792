"""`dbp deactivate`: let the policy publish nothing."""

import argparse

from dbp_ros.cli.operation import add_operation
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    add_operation(
        subparsers,
        "deactivate",
        "let the policy publish nothing",
        "Deactivate the policy. The guard brings the arms to rest and holds them.",
        act,
    )


def act(operator: Operator) -> str:
    """Deactivate the policy; return what it is now."""
    operator.deactivate_policy()
    return "the policy is inactive: the guard holds the arms"
