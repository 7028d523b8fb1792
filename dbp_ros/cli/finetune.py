"""`dbp finetune`: fine-tune a trained policy in an environment, from its rewards."""

import argparse
import math
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import TimeRemainingColumn

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.env_flags import add_env_flags, env_spec_from
from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.envs.engines import ENGINES, open_vector_env
from dbp_ros.envs.env import CameraView
from dbp_ros.envs.env_check import describe_env
from dbp_ros.envs.registry import ENV_IDS, EnvSpec
from dbp_ros.errors import ConfigError, DbpError, TrainingError
from dbp_ros.files import check_folder, shown_path
from dbp_ros.learning.bundle_checkpoint import checkpoint_of
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint
from dbp_ros.rl.best_of_n import compare_deployments
from dbp_ros.rl.checkpoint import finetune_config_of
from dbp_ros.rl.dfp import DFPLearner
from dbp_ros.rl.online_training import CURVE, OnlineTraining, OnlineTrainingConfig
from dbp_ros.rl.registry import build_learner
from dbp_ros.settings.environment import EnvConfig
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.settings.flags import (
    add_settings,
    check_at_least,
    check_resumed,
    flags_of,
    given_settings,
    settings_from,
)
from dbp_ros.types import VectorEnv


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb and a flag for every field of its settings."""
    parser.description = (
        "Fine-tune a trained policy in an environment, from its rewards, and evaluate it at "
        "intervals on fixed seeds."
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--run", dest="source", metavar="RUN", type=Path, help="folder of the training run"
    )
    source.add_argument(
        "--initial-model", default="", help="model bundle to start from instead of a training run"
    )
    parser.add_argument(
        "--env",
        required=True,
        help=f"{ENV_IDS}. To train further on data: dbp train --initial-model MODEL --data DATA",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the new run")
    parser.add_argument(
        "--resume", action="store_true", help="resume the run in --out with its settings"
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="local",
        help="where environments run: in this process, in one process each, or on Ray workers; "
        "the results are the same (default: local)",
    )
    parser.add_argument("--workers", type=int, help="number of Ray workers (default: 1)")
    add_settings(parser, OnlineTrainingConfig)
    add_settings(parser, FinetuneConfig)
    add_env_flags(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Fine-tune, or resume fine-tuning."""
    workers = _workers(arguments)
    console = terminal()
    check_folder(arguments.out)
    pretrained, resumed = _start(arguments)
    config = _training_config(arguments, pretrained if resumed else None)
    settings = (
        finetune_config_of(pretrained) if resumed else settings_from(FinetuneConfig, arguments)
    )
    settings.require_effect(given_settings(arguments))
    learner = build_learner(pretrained.policy(), settings)
    shape = pretrained.shape
    view = CameraView(shape.state_names, shape.cameras, shape.step_s, shape.action_names)
    spec = replace(env_spec_from(arguments), view=view)
    check_io_spec(pretrained, spec)
    if spec.is_gymnasium:
        for line in describe_env(spec):
            console.print(line, highlight=False, soft_wrap=True)
    environment = open_vector_env(spec, learner.config.num_envs, arguments.engine, workers)
    eval_env = open_vector_env(
        replace(spec, evaluation=True), config.eval_episodes, arguments.engine, workers
    )
    try:
        training = OnlineTraining(
            config,
            learner,
            pretrained,
            environment,
            eval_env,
            arguments.out,
            origin={
                "env": arguments.env,
                **_flags_of(spec),
                "training": asdict(config),
                "commands": [*_earlier_commands(pretrained), finetune_command(arguments)],
            },
        )
        if resumed:
            training.resume(pretrained)
        _train(training, console)
        if isinstance(learner, DFPLearner):
            _compare(learner, training.evaluation_seeds, eval_env, console)
    finally:
        environment.close()
        eval_env.close()
    console.print(
        f"{arguments.out / CHECKPOINT}: {training.steps} environment steps in "
        f"{training.wall_s:.0f} s, {arguments.out / CURVE}"
    )
    if training.clipped:
        console.print(
            f"{training.clipped} actions exceeded their range while exploring and were clipped"
        )
    return 0


def _workers(arguments: argparse.Namespace) -> int:
    """Return the number of Ray workers.

    Raises:
        ConfigError: If it is given for another engine.
    """
    if arguments.workers is None:
        return 1
    check_at_least(1, workers=arguments.workers)
    if arguments.engine != "ray":
        raise ConfigError(
            f"--workers {arguments.workers} has no effect on --engine {arguments.engine}: leave it "
            "out, or give --engine ray, or --engine processes for one process per environment"
        )
    workers: int = arguments.workers
    return workers


def _training_config(
    arguments: argparse.Namespace, resumed: Checkpoint | None
) -> OnlineTrainingConfig:
    """Return length and evaluations; those of a resumed run unless they are given."""
    config = settings_from(OnlineTrainingConfig, arguments)
    stored = resumed.metadata["finetuned"].get("training", {}) if resumed else {}
    given = given_settings(arguments)
    return replace(config, **{name: value for name, value in stored.items() if name not in given})


def finetune_command(arguments: argparse.Namespace) -> str:
    """Return the command line of fine-tuning, without flags at their defaults."""
    words = ["dbp", "finetune", "--env", arguments.env, "--out", shown_path(arguments.out)]
    words += ["--run", shown_path(arguments.source)] if arguments.source else []
    words += ["--initial-model", arguments.initial_model] if arguments.initial_model else []
    words += ["--resume"] if arguments.resume else []
    for kind in (OnlineTrainingConfig, FinetuneConfig, EnvConfig):
        words += flags_of(settings_from(kind, arguments))
    return shlex.join(words)


def _earlier_commands(pretrained: Checkpoint) -> list[str]:
    """Return the commands of the fine-tuning that is resumed, or that made the first policy."""
    commands: list[str] = pretrained.metadata.get("finetuned", {}).get("commands", [])
    return commands


def _flags_of(spec: EnvSpec) -> dict[str, list[str]]:
    """Return the flags of an environment for the checkpoint, none at their defaults."""
    flags = flags_of(spec.config)
    return {"env_flags": flags} if flags else {}


def _compare(learner: DFPLearner, seeds: range, eval_env: VectorEnv, console: Console) -> None:
    """Print success and latency of best-of-N sampling at deployment."""
    for deployment in compare_deployments(learner, eval_env, seeds):
        name = f"best of {deployment.best_of}"
        console.print(
            f"{name}: success {deployment.success:.2f}, return {deployment.episode_return:.4g}, "
            f"{deployment.decision_ms:.2f} ms per decision",
            highlight=False,
        )


def _start(arguments: argparse.Namespace) -> tuple[Checkpoint, bool]:
    """Return the initial checkpoint, and whether to resume its fine-tuning."""
    path = arguments.out / CHECKPOINT
    if path.exists() and not arguments.resume:
        raise TrainingError(f"{path} exists: give --resume to continue it, or another --out")
    source = _source(arguments)
    if arguments.resume:
        resumed = read_checkpoint(arguments.out)
        config = settings_from(FinetuneConfig, arguments)
        check_resumed(given_settings(arguments), config, finetune_config_of(resumed))
        _check_origin(arguments, resumed, source)
        return resumed, True
    if source is None:
        raise DbpError(
            "--run is missing: give the folder of the training run to start from, or a bundle with "
            "--initial-model"
        )
    return source, False


def _source(arguments: argparse.Namespace) -> Checkpoint | None:
    """Return the policy to start from; None if none is given."""
    if arguments.initial_model:
        bundle = read_bundle(bundle_directory(arguments.initial_model))
        commands = bundle.manifest.made_by.get("commands", [])
        made = checkpoint_of(bundle)
        described = {"sha256": bundle.sha256, "commands": commands}
        return replace(made, metadata={**made.metadata, "initial_model": described})
    return read_checkpoint(arguments.source) if arguments.source else None


def _check_origin(
    arguments: argparse.Namespace, resumed: Checkpoint, source: Checkpoint | None
) -> None:
    """Check that a run began with this policy and this environment.

    Raises:
        TrainingError: If it did not.
    """
    metadata = dict(resumed.metadata)
    finetuned = metadata.pop("finetuned")
    origin = {} if source is None else dict(source.metadata)
    # A run may begin with the policy of another one.
    origin.pop("finetuned", None)
    if "initial_model" not in metadata:
        # A run of an earlier version.
        origin.pop("initial_model", None)
    if source is not None and origin != metadata:
        raise TrainingError(
            f"the run in {arguments.out} began with another policy: leave --run and "
            "--initial-model out with --resume, or start another run in another --out"
        )
    given = {"env": arguments.env, **_flags_of(env_spec_from(arguments))}
    stored = {key: finetuned[key] for key in ("env", "env_flags") if key in finetuned}
    if stored != given:
        raise TrainingError(
            f"the run in {arguments.out} began in {_shown(stored)}, not in {_shown(given)}: "
            "resume it there, or start another run in another --out"
        )


def _shown(origin: dict[str, Any]) -> str:
    return " ".join([origin.get("env", ""), *origin.get("env_flags", ())])


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
            f"the policy has n_obs_steps {checkpoint.config.n_obs_steps}, but fine-tuning from "
            "images requires 1: train it with --n-obs-steps 1"
        )
    for what, required, available in (
        ("states", shape.state_names, io_spec.state_names),
        ("actions", shape.action_names, io_spec.action_names),
    ):
        if required != available:
            raise TrainingError(f"the policy has {what} {required}, {spec.id} has {available}")
    if not math.isclose(shape.step_s, io_spec.step_s, rel_tol=1e-3):
        raise TrainingError(
            f"the policy was trained on steps of {shape.step_s:.4f} s, {spec.id} has "
            f"{io_spec.step_s:.4f} s"
        )


def _train(training: OnlineTraining, console: Console) -> None:
    last = (TimeRemainingColumn(),)
    with progress_of(console, *last, disable=not console.is_terminal) as progress:
        task = progress.add_task("finetune", total=training.config.steps, completed=training.steps)

        def report(steps: int, row: dict[str, float]) -> None:
            progress.update(task, completed=steps)
            if row:
                shown = "  ".join(f"{name} {value:.4g}" for name, value in row.items())
                console.print(shown, highlight=False)

        training.run(report=report)
