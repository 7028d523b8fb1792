"""`dbp evaluate`: how often a policy solves a task, in lockstep with the simulation."""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.evaluation.policy_evaluation import EpisodeOutcome, Evaluation
from dbp_ros.files import check_file, write_text
from dbp_ros.policy.model import Model
from dbp_ros.settings.fields import check_at_least, check_ranges
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.simulation import SimulationConfig


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = __doc__
    parser.add_argument("--model", default=PolicyConfig.model, help="bundle: name or folder")
    parser.add_argument(
        "--task", default=SimulationConfig.task, help="reach, lift, can or transport"
    )
    parser.add_argument("--episodes", type=int, default=50, help="how many episodes")
    parser.add_argument(
        "--seed", type=int, default=SimulationConfig.seed, help="seed of the first episode"
    )
    parser.add_argument(
        "--latent-time-constant-s",
        type=float,
        default=PolicyConfig.latent_time_constant_s,
        help="time in which the latent forgets itself, 0 to hold it",
    )
    parser.add_argument("--camera-backend", default="auto", help="auto, egl, osmesa or raycast")
    parser.add_argument("--out", type=Path, help="write every episode to this JSON file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the episodes, write each one down as soon as it is over, and print the result.

    Raises:
        ConfigError: If a number makes no sense, the task or the backend is unknown, or the file
            cannot be written.
    """
    check_at_least(1, episodes=arguments.episodes)
    out: Path | None = arguments.out
    if out is not None:
        check_file(out)
    model = Model(read_bundle(bundle_directory(arguments.model)))
    policy = PolicyConfig(latent_time_constant_s=arguments.latent_time_constant_s)
    check_ranges(policy)
    evaluation = Evaluation(model, arguments.task, policy, GuardConfig(), arguments.camera_backend)
    outcomes: list[EpisodeOutcome] = []
    with progress_of(terminal()) as progress:
        bar = progress.add_task("episodes", total=arguments.episodes)
        for outcome in evaluation.run(range(arguments.seed, arguments.seed + arguments.episodes)):
            outcomes.append(outcome)
            progress.advance(bar)
            if out is not None:
                write_text(out, json.dumps([asdict(one) for one in outcomes], indent=1) + "\n")
    show(arguments.task, outcomes)
    return 0


def show(task: str, outcomes: Sequence[EpisodeOutcome]) -> None:
    """Print the share of episodes that succeeded, and which arm moved."""
    successes = sum(outcome.success for outcome in outcomes)
    arms = Counter(outcome.moved for outcome in outcomes)
    print(
        f"{task}: {successes} of {len(outcomes)} episodes succeed "
        f"({100 * successes / len(outcomes):.0f} %)"
    )
    print(f"arm that moved: {', '.join(f'{side} {n}' for side, n in sorted(arms.items()))}")
