"""`dbp train`: train a policy on recorded episodes."""

import argparse
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import TimeRemainingColumn

from dbp_ros.bundle.bundle import Bundle, bundle_directory, read_bundle
from dbp_ros.cli.data_flags import add_selection
from dbp_ros.cli.terminal import progress_of, terminal, text_column
from dbp_ros.data.formats import describe_choices, format_of, open_episodes
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection
from dbp_ros.data.survey.taken import Taken, cameras_not_of_robot, shape_text
from dbp_ros.errors import TrainingError
from dbp_ros.files import check_folder, shown_path
from dbp_ros.learning.bundle_checkpoint import checkpoint_of
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations, load_demonstrations
from dbp_ros.learning.initial_model import (
    NETWORK_SETTINGS,
    initial_config,
    initial_selection,
)
from dbp_ros.learning.trainer import Trainer
from dbp_ros.settings.fields import to_json
from dbp_ros.settings.flags import (
    add_settings,
    check_resumed,
    flags_of,
    given_settings,
    settings_from,
)
from dbp_ros.settings.robot_files import path_of, read_robot


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb and a flag for every field of `TrainConfig`."""
    parser.description = (
        "Train a policy on recorded episodes and write checkpoints to the folder of the run."
    )
    parser.add_argument("--data", type=Path, required=True, help="data set: a folder or a file")
    parser.add_argument("--out", type=Path, required=True, help="folder for the run")
    parser.add_argument(
        "--initial-model",
        default="",
        help="model bundle with the initial weights, network settings, control step and cameras",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="resume the run in --out with its own settings and columns of the data set",
    )
    add_selection(parser)
    add_settings(parser, TrainConfig)
    parser.set_defaults(run=run)


def train_command(arguments: argparse.Namespace) -> str:
    """Return the command line of a training run, without flags at their defaults."""
    words = ["dbp", "train", "--data", shown_path(arguments.data)]
    words += ["--out", shown_path(arguments.out)]
    words += ["--initial-model", arguments.initial_model] if arguments.initial_model else []
    words += ["--resume"] if arguments.resume else []
    for kind in (Selection, TrainConfig):
        words += flags_of(settings_from(kind, arguments))
    return shlex.join(words)


def run(arguments: argparse.Namespace) -> int:
    """Train or resume training; only the main process prints."""
    trainer = _trainer(arguments)
    console, data = terminal(quiet=not trainer.accelerator.is_main_process), trainer.data
    counts = f"{data.episodes} episodes, {len(data.states)} steps"
    if data.by_policy.any():
        counts += f", {data.by_policy.sum()} of them by a policy"
    for line in (f"{arguments.data}: {counts}", *_taken(data).lines()):
        console.print(line, soft_wrap=True, highlight=False)
    if not arguments.resume:
        selection = settings_from(Selection, arguments)
        notes = [_note_on_failures(data, arguments.data), _note_on_stride(data, selection)]
        unmapped = cameras_not_of_robot(data.images, selection.robot)
        choices = describe_choices(arguments.data, selection)
        for line in filter(None, [*choices, unmapped, *notes, _taken_settings(trainer)]):
            console.print(line, soft_wrap=True, highlight=False)
    if trainer.config.bfloat16 and not trainer.bfloat16:
        console.print("float32: this processor has no instructions for bfloat16", highlight=False)
    _train(trainer, console)
    trainer.close()
    console.print(
        f"{arguments.out / CHECKPOINT}: {trainer.update} updates, {trainer.train_s:.0f} s"
    )
    return 0


def _trainer(arguments: argparse.Namespace) -> Trainer:
    check_folder(arguments.out)
    path = arguments.out / CHECKPOINT
    if path.exists() and not arguments.resume:
        raise TrainingError(f"{path} exists: give --resume to continue it, or another --out")
    checkpoint = read_checkpoint(arguments.out) if arguments.resume else None
    given_model = arguments.initial_model
    bundle = read_bundle(bundle_directory(given_model)) if given_model else None
    config = settings_from(TrainConfig, arguments)
    selection = _located(settings_from(Selection, arguments))
    if checkpoint is not None:
        names = given_settings(arguments)
        check_resumed(names, config, checkpoint.config)
        check_resumed(names, selection, _located(checkpoint.selection))
        _check_initial_model(bundle, checkpoint)
        config, selection = checkpoint.config, checkpoint.selection
    elif bundle is not None:
        model, given = checkpoint_of(bundle), given_settings(arguments)
        config = initial_config(model, config, given)
        selection = initial_selection(model, arguments.data, selection, given)
    given_only = checkpoint is not None or bundle is not None
    config.require_effect(given_settings(arguments) if given_only else None)
    data = load_demonstrations(arguments.data, selection)
    origin = {
        "name": arguments.data.resolve().name,
        "episodes": data.episodes,
        "sha256": open_episodes(arguments.data, selection).sha256(),
        **({"selection": selection.to_dict()} if selection != DEFAULT_SELECTION else {}),
        **_mapping_of(arguments.data, selection, checkpoint),
        "unused": {key: shape_text(shape) for key, shape in data.unused.items()},
    }
    trainer = Trainer(config, data, arguments.out, origin=origin)
    earlier = checkpoint.metadata.get("commands", ()) if checkpoint else ()
    trainer.commands = (*earlier, train_command(arguments))
    if checkpoint is not None:
        trainer.resume(checkpoint)
    elif bundle is not None:
        trainer.start_from(model, _description(bundle, arguments.initial_model))
    return trainer


def _mapping_of(data: Path, selection: Selection, resumed: Checkpoint | None) -> dict[str, Any]:
    """Return the names, units and kinds of actions by which a robot reads the data.

    Nothing if the data have those of the robot, and for a resumed run of an earlier version.
    """
    if not (selection.robot and format_of(data).has_own_names):
        return {}
    if resumed is not None and "mapping" not in resumed.metadata["dataset"]:
        return {}
    return {"mapping": json.loads(to_json(read_robot(selection.robot).data))}


def _located(selection: Selection) -> Selection:
    """Return a selection whose robot is found from any working directory."""
    path = path_of(selection.robot)
    return selection if path is None else replace(selection, robot=str(path))


def _description(bundle: Bundle, path: str) -> dict[str, Any]:
    """Return the description of an initial model for the checkpoints."""
    commands = bundle.manifest.made_by.get("commands", [])
    return {"path": path, "sha256": bundle.sha256, "commands": commands}


def _check_initial_model(bundle: Bundle | None, checkpoint: Checkpoint) -> None:
    """Check that a resumed run started from this initial model, if one is given."""
    stored = checkpoint.metadata.get("initial_model", {})
    if bundle is not None and bundle.sha256 != stored.get("sha256"):
        raise TrainingError(
            f"--initial-model is {bundle.directory}, and the run in --out started from "
            f"{stored.get('path', 'random weights')}: leave it out with --resume, or start another "
            "run in another --out"
        )


def _note_on_failures(data: Demonstrations, path: Path) -> str:
    if not data.failed:
        return ""
    return (
        f"{data.failed} of {data.episodes} episodes are failures, and their actions are imitated, "
        f"too; to leave them out: dbp episodes label {shown_path(path)} EPISODE ... --discard"
    )


def _note_on_stride(data: Demonstrations, selection: Selection) -> str:
    stride = selection.stride or 1
    if stride == 1 or all(map(data.units.of, data.action_names)):
        return ""
    return (
        f"a step has the last of its {stride} recorded actions: --stride is right if they are "
        "targets, and loses motion if they are deltas or velocities"
    )


def _taken_settings(trainer: Trainer) -> str:
    """Return the network settings of the initial model; empty if there is none."""
    if not trainer.initial_model:
        return ""
    network = {name: getattr(trainer.config, name) for name in NETWORK_SETTINGS}
    flags = shlex.join(flags_of(replace(TrainConfig(), **network))) or "the defaults"
    return f"network settings of {trainer.initial_model['path']}: {flags}"


def _taken(data: Demonstrations) -> Taken:
    return Taken(
        state_names=data.state_names,
        action_names=data.action_names,
        images={camera: images.shape[1:] for camera, images in data.images.items()},
        points={sensor: clouds.shape[1:] for sensor, clouds in data.points.items()},
        step_s=data.step_s,
        units=data.units,
        unused=data.unused,
    )


def _train(trainer: Trainer, console: Console) -> None:
    last = (
        text_column("{task.fields[rate]:.1f} it/s"),
        TimeRemainingColumn(),
    )
    with progress_of(console, *last, disable=not console.is_terminal) as progress:
        task = progress.add_task(
            "train", total=trainer.config.num_steps, completed=trainer.update, rate=0.0
        )

        def report(update: int, row: dict[str, float]) -> None:
            progress.update(task, completed=update, rate=progress.tasks[task].speed or 0.0)
            if row:
                shown = "  ".join(f"{name} {value:.4g}" for name, value in row.items())
                console.print(shown, highlight=False)

        trainer.train(report=report)
