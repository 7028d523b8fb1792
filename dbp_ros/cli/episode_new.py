"""`dbp episode new`: reset the simulated cell and begin an episode in the whole stack."""

import argparse

from dbp_ros.cli.operation import add_operation
from dbp_ros.nodes.operator import Operator

# Every step of the call has a deadline of its own.
ANSWER_S = 90.0


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    add_operation(
        subparsers,
        "new",
        "reset the simulated cell and begin an episode in the whole stack",
        "End the episode of the learner, disable control, reset the simulated cell, begin an "
        "episode of the policy, and enable control again if it was enabled before.",
        act,
    )


def act(operator: Operator) -> str:
    """Begin the episode; return what was done."""
    return operator.trigger("simulation/new_episode", ANSWER_S)
