"""`dbp evaluate`: measure the success rate of a policy in simulation."""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.evaluation.policy_evaluation import EpisodeOutcome, PolicyEvaluator
from dbp_ros.files import check_file, write_text
from dbp_ros.policy.model import Model
from dbp_ros.settings.flags import check_at_least
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.simulation import CameraBackend, SimulationConfig, TaskName


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = "Run a policy in lockstep with the simulation and print its success rate."
    parser.add_argument(
        "--model",
        default=PolicyConfig.model,
        help="model bundle: a folder, or a name under models/ (default: %(default)s)",
    )
    parser.add_argument(
        "--task",
        default=SimulationConfig.task,
        help=f"one of {', '.join(get_args(TaskName))} (default: %(default)s)",
    )
    parser.add_argument(
        "--episodes", type=int, default=50, help="number of episodes (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=SimulationConfig.seed,
        help="seed of the first episode; each adds 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--latent-time-constant-s",
        type=float,
        default=PolicyConfig.latent_time_constant_s,
        help="time constant of the latent [s]; 0 holds it for an episode (default: %(default)s)",
    )
    parser.add_argument(
        "--camera-backend",
        default="auto",
        help=f"renderer, one of {', '.join(get_args(CameraBackend))} (default: auto)",
    )
    parser.add_argument("--out", type=Path, help="JSON file for the outcome of each episode")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the episodes, write each outcome at once, and print the success rate.

    Raises:
        ConfigError: If a number is out of range, the task or the backend is unknown, or the file
            cannot be written.
    """
    check_at_least(1, episodes=arguments.episodes)
    out: Path | None = arguments.out
    if out is not None:
        check_file(out)
    model = Model(read_bundle(bundle_directory(arguments.model)))
    policy = PolicyConfig(latent_time_constant_s=arguments.latent_time_constant_s)
    evaluator = PolicyEvaluator(
        model, arguments.task, policy, GuardConfig(), arguments.camera_backend
    )
    outcomes: list[EpisodeOutcome] = []
    with progress_of(terminal()) as progress:
        bar = progress.add_task("episodes", total=arguments.episodes)
        for outcome in evaluator.run(range(arguments.seed, arguments.seed + arguments.episodes)):
            outcomes.append(outcome)
            progress.advance(bar)
            if out is not None:
                write_text(out, json.dumps([asdict(one) for one in outcomes], indent=1) + "\n")
    show(arguments.task, outcomes)
    return 0


def show(task: str, outcomes: Sequence[EpisodeOutcome]) -> None:
    """Print the success rate and which arm moved."""
    successes = sum(outcome.success for outcome in outcomes)
    arms = Counter(outcome.moved for outcome in outcomes)
    print(
        f"{task}: {successes} of {len(outcomes)} episodes succeed "
        f"({100 * successes / len(outcomes):.0f} %)"
    )
    print(f"arm that moved: {', '.join(f'{side} {n}' for side, n in sorted(arms.items()))}")
