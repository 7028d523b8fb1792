"""`dbp evaluate`: how often a policy solves a task, in lockstep with the simulation."""

import argparse
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich.progress import track

from dbp_ros.bench.evaluation import Evaluation
from dbp_ros.bundle import bundle_directory, read_bundle
from dbp_ros.config import GuardConfig, PolicyConfig, SimulationConfig, check_ranges
from dbp_ros.errors import ConfigError
from dbp_ros.policy.model import Model


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "evaluate", help="measure a policy's success in simulation", description=__doc__
    )
    parser.add_argument("--model", default=PolicyConfig.model, help="bundle: name or folder")
    parser.add_argument(
        "--task", default=SimulationConfig.task, help="reach, lift, can or transport"
    )
    parser.add_argument("--episodes", type=int, default=50, help="how many episodes")
    parser.add_argument(
        "--seed", type=int, default=SimulationConfig.seed, help="seed of the first episode"
    )
    parser.add_argument(
        "--latent-memory-s",
        type=float,
        default=PolicyConfig.latent_memory_s,
        help="time in which the latent forgets itself, 0 to hold it",
    )
    parser.add_argument("--camera-backend", default="auto", help="auto, egl, osmesa or raycast")
    parser.add_argument("--out", type=Path, help="write every episode to this JSON file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the episodes and print what came of them.

    Raises:
        ConfigError: If a number makes no sense, or the task or the backend is unknown.
    """
    if arguments.episodes < 1:
        raise ConfigError(f"--episodes {arguments.episodes}, expected at least 1")
    model = Model(read_bundle(bundle_directory(arguments.model)))
    policy = PolicyConfig(latent_memory_s=arguments.latent_memory_s)
    check_ranges(policy)
    evaluation = Evaluation(model, arguments.task, policy, GuardConfig(), arguments.camera_backend)
    seeds = range(arguments.seed, arguments.seed + arguments.episodes)
    outcomes = list(track(evaluation.run(seeds), "episodes", total=len(seeds)))
    successes = sum(outcome.success for outcome in outcomes)
    arms = Counter(outcome.moved for outcome in outcomes)
    print(
        f"{arguments.task}: {successes} of {len(outcomes)} episodes succeed "
        f"({100 * successes / len(outcomes):.0f} %)"
    )
    print(f"arm that moved: {', '.join(f'{side} {n}' for side, n in sorted(arms.items()))}")
    if arguments.out:
        arguments.out.write_text(json.dumps([asdict(o) for o in outcomes], indent=1) + "\n")
    return 0
