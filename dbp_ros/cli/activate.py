"""`dbp activate`: let the policy publish actions."""

import argparse

from dbp_ros.cli.operation import add_operation
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    add_operation(
        subparsers,
        "activate",
        "let the policy publish actions",
        "Activate the policy; it loads its model first where it has none.",
        act,
    )


def act(operator: Operator) -> str:
    """Activate the policy; return what it is now."""
    operator.activate_policy()
    return "the policy is active"
