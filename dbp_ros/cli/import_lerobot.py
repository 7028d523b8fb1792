"""`dbp import-lerobot`: write a policy of LeRobot as an ONNX graph."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dbp_ros.errors import ConfigError
from dbp_ros.files import atomic_file, check_file
from dbp_ros.lerobot_import.act import export_act, read_act
from dbp_ros.lerobot_import.checkpoint import Checkpoint, read_checkpoint
from dbp_ros.lerobot_import.diffusion import export_diffusion, read_diffusion


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Write an ACT or a diffusion policy of a LeRobot checkpoint, with its normalisation, as an "
        "ONNX graph for `dbp import`. The graph takes raw joint positions and images from 0 to 1, "
        "and returns raw actions."
    )
    parser.add_argument(
        "checkpoint", type=Path, help="folder with config.json and model.safetensors"
    )
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write")
    parser.add_argument(
        "--num-inference-steps",
        type=int,
        metavar="N",
        help="diffusion: calls of the network per chunk (default: that of the checkpoint for DDIM, "
        "10 for DDPM)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the graph.

    Raises:
        TrainingError: If the checkpoint cannot be read, or has an unsupported option.
    """
    check_file(arguments.out)
    checkpoint = read_checkpoint(arguments.checkpoint)
    kind = checkpoint.config["type"]
    export: Callable[[Path], float]
    if kind == "act":
        if arguments.num_inference_steps is not None:
            raise ConfigError("--num-inference-steps is for diffusion policies: remove it")
        export = partial(export_act, read_act(checkpoint))
    else:
        policy = read_diffusion(checkpoint, arguments.num_inference_steps)
        export = partial(export_diffusion, policy)
        _print_sampler(checkpoint, policy.denoiser.num_inference_steps)
    with atomic_file(arguments.out) as temporary:
        difference = export(temporary)
    print(
        f"{arguments.out}: the graph agrees with PyTorch within {difference:.1e}; the checkpoint "
        f"executes {checkpoint.n_action_steps} points of a chunk: set n_action_steps to this, and "
        "to at most 1 / step_s"
    )
    if checkpoint.config.get("temporal_ensemble_coeff") is not None:
        print(
            "the checkpoint averages overlapping chunks (temporal_ensemble_coeff), which a bundle "
            "does not: set n_action_steps to more than 1"
        )
    print(f"next: dbp import {arguments.out} --describe --mapping {arguments.out.stem}.yaml")
    return 0


def _print_sampler(checkpoint: Checkpoint, steps: int) -> None:
    """Print how a diffusion policy is sampled, and what the mapping needs."""
    config = checkpoint.config
    scheduler = config.get("noise_scheduler_type")
    print(f"sampled by DDIM in {steps} steps; the checkpoint has {scheduler}")
    if config.get("resize_shape") and checkpoint.cameras:
        (height, width), *_ = checkpoint.cameras.values()
        print(
            f"set camera_size to [{height}, {width}] and interpolation to linear_antialias for "
            "each image: the policy resizes its images"
        )
