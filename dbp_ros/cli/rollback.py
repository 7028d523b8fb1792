"""`dbp rollback`: bring back the model before."""

import argparse

from dbp_ros.cli.operation import add_operation
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    add_operation(
        subparsers,
        "rollback",
        "bring back the model before",
        "Let the policy go back to the model that was active before the present one.",
        act,
    )


def act(operator: Operator) -> str:
    """Roll the policy back; return its sentence."""
    return operator.trigger("policy/rollback") or "the model before is active"
