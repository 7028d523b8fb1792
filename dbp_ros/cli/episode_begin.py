"""`dbp episode begin`: begin an episode of the policy and of the learner."""

import argparse

from dbp_ros.cli.operation import add_operation
from dbp_ros.nodes.operator import Operator


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    add_operation(
        subparsers,
        "begin",
        "begin an episode of the policy and of the learner",
        "Begin an episode of the policy, and of the learner where one runs, which records it.",
        act,
    )


def act(operator: Operator) -> str:
    """Begin an episode; return what began."""
    return operator.begin_episode()
