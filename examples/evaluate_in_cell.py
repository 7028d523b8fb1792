"""Roll out the shipped policy in the simulated cell: the same runner and guard as on a robot."""

import argparse

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.evaluation.policy_evaluation import PolicyEvaluator
from dbp_ros.policy.model import Model
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig


def main() -> None:
    """Run episodes and print their results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=5)
    arguments = parser.parse_args()
    model = Model(read_bundle(bundle_directory("lift")))
    evaluator = PolicyEvaluator(model, "lift", PolicyConfig(), GuardConfig(), "auto")
    outcomes = list(evaluator.run(range(arguments.episodes)))
    for outcome in outcomes:
        ended = "success" if outcome.success else "time limit"
        print(f"seed {outcome.seed}: {ended} after {outcome.duration_s:.1f} s")
    print(f"{sum(outcome.success for outcome in outcomes)} of {len(outcomes)} solved")


if __name__ == "__main__":
    main()
