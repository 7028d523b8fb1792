"""`dbp episode failure`: end the episode as failed."""

import argparse

from dbp_ros.cli.operation import add_operation
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    add_operation(
        subparsers,
        "failure",
        "end the episode as failed",
        "End the episode that the learner records, as failed.",
        act,
    )


def act(operator: Operator) -> str:
    """End the episode; return the learner's sentence."""
    return operator.trigger("learner/end_failure") or "the episode is recorded as failed"
