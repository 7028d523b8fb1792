"""`dbp evaluate`: measure the success rate of a policy in simulation."""

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dbp_ros.cli.env_flags import add_env_flags, env_spec_from, refuse_flags
from dbp_ros.cli.evaluate_env import EnvEvaluateConfig, evaluate_env, with_view
from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.envs.registry import ENV_IDS
from dbp_ros.evaluation.env_evaluation import EnvEvaluation
from dbp_ros.evaluation.evaluation_pool import EpisodeJob, Evaluation, run_episodes
from dbp_ros.evaluation.policy_evaluation import EpisodeOutcome
from dbp_ros.files import check_file, write_text
from dbp_ros.settings.environment import EnvConfig
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.simulation import CameraBackend, SimulationConfig, TaskName
from dbp_ros.telemetry.confidence import success_line


@dataclass(frozen=True)
class CellEvaluateConfig(Settings):
    """Flags of `dbp evaluate` for the simulated cell."""

    task: TaskName | None = setting(
        None,
        f"task of the simulated cell; {SimulationConfig.task} if neither it nor --env is given",
    )
    camera_backend: CameraBackend = setting("auto", "renderer")


@dataclass(frozen=True)
class EvaluateConfig(Settings):
    """Flags of `dbp evaluate` for the simulated cell and for environments."""

    model: str = setting(PolicyConfig.model, "model bundle: a folder, or a name under models/")
    episodes: int = setting(50, "number of episodes", ge=1)
    seed: int = setting(SimulationConfig.seed, "seed of the first episode; each adds 1", ge=0)
    latent_time_constant_s: float = setting(
        PolicyConfig.latent_time_constant_s,
        "time constant of the latent [s]; 0 holds it for an episode",
        ge=0.0,
    )
    workers: int = setting(os.cpu_count() or 1, "parallel processes", ge=1)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Run a policy in lockstep with the simulated cell, or with an environment of gymnasium, "
        "and print its success rate."
    )
    add_settings(parser, CellEvaluateConfig)
    parser.add_argument("--env", default="", help=f"environment instead of a task: {ENV_IDS}")
    add_settings(parser, EvaluateConfig)
    add_settings(parser, EnvEvaluateConfig)
    add_env_flags(parser)
    parser.add_argument("--out", type=Path, help="JSON file for the outcome of each episode")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the episodes, write each outcome at once, and print the success rate.

    Raises:
        ConfigError: If a number is out of range, the task, the environment or the backend is
            unknown, or the file cannot be written.
    """
    config = settings_from(EvaluateConfig, arguments)
    cell = settings_from(CellEvaluateConfig, arguments)
    env = settings_from(EnvEvaluateConfig, arguments)
    if arguments.out is not None:
        check_file(arguments.out)
    if arguments.env:
        refuse_flags(cell, "is for the simulated cell and not for --env")
        evaluation = EnvEvaluation(
            with_view(env_spec_from(arguments), config.model),
            config.model,
            env.n_action_steps,
            config.latent_time_constant_s,
        )
        seeds = range(config.seed, config.seed + config.episodes)
        return evaluate_env(evaluation, seeds, config.workers, arguments.out)
    for settings in (env, settings_from(EnvConfig, arguments)):
        refuse_flags(settings, "needs --env")
    return evaluate_cell(config, cell, arguments.out)


def evaluate_cell(config: EvaluateConfig, cell: CellEvaluateConfig, out: Path | None) -> int:
    """Run the episodes of a task of the simulated cell; see `run`."""
    task = cell.task or SimulationConfig.task
    policy = PolicyConfig(model=config.model, latent_time_constant_s=config.latent_time_constant_s)
    evaluation = Evaluation(task, policy, cell.camera_backend)
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
    show(task, outcomes)
    return 0


def show(task: str, outcomes: Sequence[EpisodeOutcome]) -> None:
    """Print the success rate, also of each variant of the scene, and which arm moved."""
    successes = sum(outcome.success for outcome in outcomes)
    arms = Counter(outcome.moved for outcome in outcomes)
    print(success_line(task, successes, len(outcomes)))
    for variant in sorted({outcome.variant for outcome in outcomes} - {""}):
        solved = [outcome.success for outcome in outcomes if outcome.variant == variant]
        print(f"variant {variant}: {sum(solved)} of {len(solved)}")
    print(f"arm that moved: {', '.join(f'{side} {n}' for side, n in sorted(arms.items()))}")
