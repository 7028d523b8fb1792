"""`dbp finetune`: let a trained policy go on learning from rewards, in an environment."""

import argparse
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import TimeRemainingColumn

from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.cli.train import add_settings
from dbp_ros.envs.engines import ENGINES, open_vector_env
from dbp_ros.envs.env import CameraView
from dbp_ros.envs.registry import ENV_IDS, EnvSpec
from dbp_ros.errors import DbpError, TrainingError
from dbp_ros.files import check_folder
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint
from dbp_ros.rl.best_of_n import compare_deployments
from dbp_ros.rl.checkpoint import settings_of
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.dfp import DFPLearner
from dbp_ros.rl.online_training import CURVE, OnlineTraining, OnlineTrainingConfig
from dbp_ros.rl.registry import build_learner
from dbp_ros.settings.fields import check_at_least
from dbp_ros.types import VectorEnv


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb and a flag for every field of its settings."""
    parser.description = (
        "Fine-tune a trained policy in an environment, from its rewards, and evaluate it at "
        "intervals on fixed seeds."
    )
    parser.add_argument("--run", dest="source", type=Path, help="folder of the training run")
    parser.add_argument("--env", required=True, help=ENV_IDS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the new run")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --out and its settings"
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="local",
        help="where environments run: in this process, in one process each, or on workers of "
        "Ray (default: local); all give the same",
    )
    parser.add_argument("--workers", type=int, default=1, help="workers of Ray (default: 1)")
    add_settings(parser, OnlineTrainingConfig)
    add_settings(parser, FinetuneConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Practise, or go on practising."""
    check_at_least(1, workers=arguments.workers)
    console = terminal()
    config = _settings(OnlineTrainingConfig, arguments)
    check_folder(arguments.out)
    imitated, resumed = _start(arguments)
    settings = settings_of(imitated) if resumed else _settings(FinetuneConfig, arguments)
    learner = build_learner(imitated.policy(), settings)
    shape = imitated.shape
    spec = EnvSpec(arguments.env, view=CameraView(shape.state_names, shape.cameras, shape.step_s))
    check_io_spec(imitated, spec)
    environment = open_vector_env(
        spec, learner.config.environments, arguments.engine, arguments.workers
    )
    judging = open_vector_env(
        replace(spec, evaluation=True),
        config.eval_episodes,
        arguments.engine,
        arguments.workers,
    )
    try:
        practice = OnlineTraining(
            config,
            learner,
            imitated,
            environment,
            judging,
            arguments.out,
            origin={"env": arguments.env},
        )
        if resumed:
            practice.resume(imitated)
        _practise(practice, console)
        if isinstance(learner, DFPLearner):
            _compare(learner, practice.evaluation_seeds, judging, console)
    finally:
        environment.close()
        judging.close()
    console.print(
        f"{arguments.out / CHECKPOINT}: {practice.steps} steps of practice in "
        f"{practice.wall_s:.0f} s, {arguments.out / CURVE}"
    )
    return 0


def _compare(learner: DFPLearner, seeds: range, judging: VectorEnv, console: Console) -> None:
    """Print what choosing among chunks would bring at deployment, and cost."""
    for way in compare_deployments(learner, judging, seeds):
        name = "one chunk" if way.best_of == 1 else f"the best of {way.best_of}"
        console.print(
            f"{name}: success {way.success:.2f}, return {way.episode_return:.4g}, "
            f"{way.decision_ms:.2f} ms a decision",
            highlight=False,
        )


def _start(arguments: argparse.Namespace) -> tuple[Checkpoint, bool]:
    """Return the checkpoint to begin from, and whether practice is to be resumed there."""
    path = arguments.out / CHECKPOINT
    if arguments.resume:
        return read_checkpoint(arguments.out), True
    if path.exists():
        raise TrainingError(f"{path} exists: give --resume to go on with it, or another --out")
    if arguments.source is None:
        raise DbpError("--run is missing: give the folder of the training run to begin from")
    return read_checkpoint(arguments.source), False


def _settings(kind: Any, arguments: argparse.Namespace) -> Any:
    values = {item.name: getattr(arguments, item.name) for item in fields(kind)}
    return kind(**{n: tuple(v) if isinstance(v, list) else v for n, v in values.items()})


def check_io_spec(checkpoint: Checkpoint, spec: EnvSpec) -> None:
    """Reject a policy whose inputs or outputs differ from those of an environment.

    Raises:
        TrainingError: With both values.
    """
    shape, io_spec = checkpoint.shape, spec.io_spec()
    missing = [name for name in (*shape.cameras, *shape.clouds) if name not in io_spec.cameras]
    if missing:
        raise TrainingError(
            f"the policy uses the cameras {', '.join(missing)}, but {spec.id} has "
            f"{', '.join(io_spec.cameras) or 'states only'}: train a policy without them"
        )
    if shape.cameras and checkpoint.config.n_obs_steps > 1:
        raise TrainingError(
            f"the policy takes {checkpoint.config.n_obs_steps} images at a time: one that "
            "practises must take 1, train it with --n-obs-steps 1"
        )
    for what, mine, theirs in (
        ("states", shape.state_names, io_spec.state_names),
        ("actions", shape.action_names, io_spec.action_names),
    ):
        if mine != theirs:
            raise TrainingError(f"the policy has {what} {mine}, {spec.id} has {theirs}")
    if not math.isclose(shape.step_s, io_spec.step_s, rel_tol=1e-3):
        raise TrainingError(
            f"the policy was trained on steps of {shape.step_s:.4f} s, {spec.id} has "
            f"{io_spec.step_s:.4f} s"
        )


def _practise(practice: OnlineTraining, console: Console) -> None:
    last = (TimeRemainingColumn(),)
    with progress_of(console, *last, disable=not console.is_terminal) as progress:
        task = progress.add_task("practice", total=practice.config.steps, completed=practice.steps)

        def report(steps: int, row: dict[str, float]) -> None:
            progress.update(task, completed=steps)
            if row:
                shown = "  ".join(f"{name} {value:.4g}" for name, value in row.items())
                console.print(shown, highlight=False)

        practice.go(report=report)
