"""`dbp import-lerobot`: write an ACT policy of LeRobot as an ONNX graph."""

import argparse
from pathlib import Path

from dbp_ros.files import atomic_file, check_file
from dbp_ros.learning.act_checkpoint import export_act, read_act


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Write an ACT policy of a LeRobot checkpoint, with its normalisation, as an ONNX graph for "
        "`dbp import`. The graph takes raw joint positions and images from 0 to 1, and returns raw "
        "actions."
    )
    parser.add_argument(
        "checkpoint", type=Path, help="folder with config.json and model.safetensors"
    )
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the graph.

    Raises:
        TrainingError: If the checkpoint cannot be read, or is no ACT policy.
    """
    check_file(arguments.out)
    checkpoint = read_act(arguments.checkpoint)
    with atomic_file(arguments.out) as temporary:
        difference = export_act(checkpoint, temporary)
    print(
        f"{arguments.out}: the graph agrees with PyTorch within {difference:.1e}; set "
        f"n_action_steps to {checkpoint.n_action_steps}"
    )
    print(f"next: dbp import {arguments.out} --describe --mapping {arguments.out.stem}.yaml")
    return 0
