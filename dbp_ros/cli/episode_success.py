"""`dbp episode success`: end the episode as solved."""

import argparse

from dbp_ros.cli.operation import add_operation
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    add_operation(
        subparsers,
        "success",
        "end the episode as solved",
        "End the episode that the learner records, as solved.",
        act,
    )


def act(operator: Operator) -> str:
    """End the episode; return the learner's sentence."""
    return operator.trigger("learner/end_success") or "the episode is recorded as solved"
