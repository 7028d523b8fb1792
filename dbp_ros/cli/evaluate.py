"""`dbp evaluate`: measure the success rate of a policy in simulation."""

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.evaluation.evaluation_pool import EpisodeJob, Evaluation, run_episodes
from dbp_ros.evaluation.policy_evaluation import EpisodeOutcome
from dbp_ros.files import check_file, write_text
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.simulation import CameraBackend, SimulationConfig, TaskName


@dataclass(frozen=True)
class EvaluateConfig(Settings):
    """Flags of `dbp evaluate` except `--out`."""

    model: str = setting(PolicyConfig.model, "model bundle: a folder, or a name under models/")
    task: TaskName = setting(SimulationConfig.task, "task")
    episodes: int = setting(50, "number of episodes", ge=1)
    seed: int = setting(SimulationConfig.seed, "seed of the first episode; each adds 1", ge=0)
    latent_time_constant_s: float = setting(
        PolicyConfig.latent_time_constant_s,
        "time constant of the latent [s]; 0 holds it for an episode",
        ge=0.0,
    )
    workers: int = setting(os.cpu_count() or 1, "parallel processes", ge=1)
    camera_backend: CameraBackend = setting("auto", "renderer")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = "Run a policy in lockstep with the simulation and print its success rate."
    add_settings(parser, EvaluateConfig)
    parser.add_argument("--out", type=Path, help="JSON file for the outcome of each episode")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the episodes, write each outcome at once, and print the success rate.

    Raises:
        ConfigError: If a number is out of range, the task or the backend is unknown, or the file
            cannot be written.
    """
    config = settings_from(EvaluateConfig, arguments)
    out: Path | None = arguments.out
    if out is not None:
        check_file(out)
    policy = PolicyConfig(model=config.model, latent_time_constant_s=config.latent_time_constant_s)
    evaluation = Evaluation(config.task, policy, config.camera_backend)
    # An error is reported here and not by a worker.
    evaluation.evaluator()
    jobs = [EpisodeJob(config.seed + index) for index in range(config.episodes)]
    outcomes: list[EpisodeOutcome] = []
    with progress_of(terminal()) as progress:
        bar = progress.add_task("episodes", total=config.episodes)
        for _, outcome in run_episodes(evaluation, jobs, config.workers):
            outcomes = sorted([*outcomes, outcome], key=lambda one: one.seed)
            progress.advance(bar)
            if out is not None:
                write_text(
                    out, json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n"
                )
    show(config.task, outcomes)
    return 0


def show(task: str, outcomes: Sequence[EpisodeOutcome]) -> None:
    """Print the success rate, also of each variant of the scene, and which arm moved."""
    successes = sum(outcome.success for outcome in outcomes)
    arms = Counter(outcome.moved for outcome in outcomes)
    print(
        f"{task}: {successes} of {len(outcomes)} episodes succeed "
        f"({100 * successes / len(outcomes):.0f} %)"
    )
    for variant in sorted({outcome.variant for outcome in outcomes} - {""}):
        solved = [outcome.success for outcome in outcomes if outcome.variant == variant]
        print(f"variant {variant}: {sum(solved)} of {len(solved)}")
    print(f"arm that moved: {', '.join(f'{side} {n}' for side, n in sorted(arms.items()))}")
