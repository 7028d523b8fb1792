"""`dbp export`: export a training run as a model bundle."""

import argparse
from pathlib import Path

import yaml

from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.cli.train import train_command
from dbp_ros.data.episode import DATASET_FILE
from dbp_ros.data.formats import open_episodes
from dbp_ros.errors import TrainingError
from dbp_ros.files import check_new_folder
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint
from dbp_ros.learning.dataset import load_demonstrations
from dbp_ros.learning.export import ExportMetadata, export_bundle


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Export the averaged weights of a training run as a model bundle: ONNX graphs, manifest "
        "and golden cases. The graphs are compared with PyTorch."
    )
    parser.add_argument(
        "--run",
        dest="source",
        metavar="RUN",
        type=Path,
        required=True,
        help="folder of the training run",
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="data set of the run, for the golden cases"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the bundle")
    parser.add_argument("--name", required=True, help="name of the model")
    parser.add_argument("--version", type=int, default=1, help="version of the model (default: 1)")
    parser.add_argument(
        "--control-rate-hz",
        type=float,
        default=125.0,
        help="control rate of the model [Hz] (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export the EMA weights of a run."""
    check_new_folder(arguments.out, MANIFEST)
    checkpoint = read_checkpoint(arguments.source)
    recorded = checkpoint.metadata["dataset"].get("sha256")
    episodes = open_episodes(arguments.data, checkpoint.selection)
    if recorded is not None and recorded != episodes.sha256():
        raise TrainingError(
            f"{arguments.data} is not the data set of {arguments.source}, or it has changed: "
            "give the folder that the policy was trained on"
        )
    label = ExportMetadata(
        arguments.name,
        arguments.version,
        arguments.control_rate_hz,
        commands(checkpoint, arguments),
    )
    data = load_demonstrations(arguments.data, checkpoint.selection)
    worst = export_bundle(checkpoint, data, arguments.out, label)
    print(f"{arguments.out}: the graphs agree with PyTorch within {worst:.1e}")
    return 0


def commands(checkpoint: Checkpoint, arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the command lines that reproduce the bundle in a clone."""
    folder = arguments.data / DATASET_FILE
    description = yaml.safe_load(folder.read_text(encoding="utf-8")) if folder.exists() else {}
    data = f"data/{arguments.data.resolve().name}"
    run = _in_clone(arguments.source, f"build/train/{arguments.name}")
    out = _in_clone(arguments.out, f"models/{arguments.name}")
    export = f"dbp export --run {run} --data {data} --out {out}"
    export += f" --name {arguments.name} --version {arguments.version}"
    initial = checkpoint.metadata.get("initial_model", {})
    train = train_command(
        checkpoint.config, data, run, checkpoint.selection, initial.get("path", "")
    )
    earlier = initial.get("commands", [])
    recorded = [line for line in description.get("command_lines", []) if line not in earlier]
    return (*earlier, *recorded, train, export)


def _in_clone(path: Path, default: str) -> str:
    """Return a path relative to the working directory, or a default if it is elsewhere."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return default
