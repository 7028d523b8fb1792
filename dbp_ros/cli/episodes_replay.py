"""`dbp episodes replay`: compute recorded decisions again and compare them bit for bit."""

import argparse
from pathlib import Path

from dbp_ros.evaluation.decision_replay import read_bundles, replay_decisions


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Compute the decisions of recorded episodes again, from the images, positions, latents and "
        "noise in their bags, and compare them bit for bit with those of the robot. The rows that "
        "`dbp train` reads are compared, too. Exit status 1 if a decision differs."
    )
    parser.add_argument("path", type=Path, help="bag of an exploring policy, or folder of bags")
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        help="bundle of the policy, or a folder of bundles such as the versions of a learner",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the number of reproduced decisions, or the first difference.

    Raises:
        BundleError: If a bundle is missing or damaged.
        EpisodeError: If there are no recorded decisions, or a bag cannot be read.
    """
    first, exact, count = None, 0, 0
    for decision in replay_decisions(arguments.path, read_bundles(arguments.model)):
        count += 1
        exact += decision.exact
        first = first or (None if decision.exact else decision)
    print(f"{exact} of {count} decisions reproduced exactly")
    if first is None:
        return 0
    print(f"first difference: {first.describe()}")
    return 1
