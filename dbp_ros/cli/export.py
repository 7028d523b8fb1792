"""`dbp export`: export a training run as a model bundle."""

import argparse
import shlex
from pathlib import Path

from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.data.dataset_file import read_description
from dbp_ros.data.formats import open_episodes
from dbp_ros.errors import TrainingError
from dbp_ros.files import check_new_folder, shown_path
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint
from dbp_ros.learning.dataset import load_demonstrations
from dbp_ros.learning.export import ExportMetadata, export_bundle
from dbp_ros.settings.policy import DECISION_RATE_HZ


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
        default=DECISION_RATE_HZ,
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
        robot = checkpoint.selection.robot
        mapping = f", or data in the description {robot}," if robot else ""
        raise TrainingError(
            f"{arguments.data} is not the data set of {arguments.source}, or it{mapping} has "
            "changed: give the data set that the policy was trained on"
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
    """Return the command lines that produced the bundle, as they were given."""
    description = read_description(arguments.data)
    words = ["dbp", "export", "--run", shown_path(arguments.source)]
    words += ["--data", shown_path(arguments.data), "--out", shown_path(arguments.out)]
    words += ["--name", arguments.name, "--version", str(arguments.version)]
    if arguments.control_rate_hz != DECISION_RATE_HZ:
        words += ["--control-rate-hz", f"{arguments.control_rate_hz:g}"]
    earlier = checkpoint.metadata.get("initial_model", {}).get("commands", [])
    recorded = [line for line in description.get("command_lines", []) if line not in earlier]
    trained = checkpoint.metadata.get("commands", [])
    finetuned = checkpoint.metadata.get("finetuned", {}).get("commands", [])
    return (*earlier, *recorded, *trained, *finetuned, shlex.join(words))
