"""Normalisation of LeRobot's policies: statistics of a checkpoint as factors and offsets."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from dbp_ros.errors import TrainingError

STATE, ACTION = "observation.state", "action"
# Files of the statistics in recent checkpoints; older ones have them among the weights.
PROCESSORS = {
    "policy_preprocessor.json": "normalizer_processor",
    "policy_postprocessor.json": "unnormalizer_processor",
}
# Steps that change no value of an observation or an action.
NEUTRAL_STEPS = ("rename_observations_processor", "to_batch_processor", "device_processor")
OLD_PREFIXES = ("normalize_inputs.buffer_", "unnormalize_outputs.buffer_")
EPSILON = 1e-8
# Statistics at -1 and at 1, by mode.
RANGES = {"MIN_MAX": ("min", "max"), "QUANTILES": ("q01", "q99"), "QUANTILE10": ("q10", "q90")}


class Affine(nn.Module):
    """Normalisation of a tensor: `factor * (x - centre) + offset`.

    The centre is subtracted first: a constant column has a factor of 1e8, and its product with the
    centre would exceed the precision of the offset.
    """

    centre: Tensor
    factor: Tensor
    offset: Tensor

    def __init__(self, centre: Tensor, factor: Tensor, offset: Tensor) -> None:
        """Store all three as constants."""
        super().__init__()
        self.register_buffer("centre", centre)
        self.register_buffer("factor", factor)
        self.register_buffer("offset", offset)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised tensor."""
        result: Tensor = self.factor * (x - self.centre) + self.offset
        return result


def _identity() -> Affine:
    return Affine(torch.zeros(1), torch.ones(1), torch.zeros(1))


def normaliser(name: str, mode: str, statistics: Mapping[str, Tensor]) -> Affine:
    """Return the normalisation of an input, as LeRobot computes it.

    Raises:
        TrainingError: If the mode is unknown or a statistic is missing.
    """
    if mode == "MEAN_STD":
        mean, std = _values(name, ("mean", "std"), statistics)
        return Affine(mean, 1 / (std + EPSILON), torch.zeros(1))
    if mode == "IDENTITY":
        return _identity()
    low, extent = _range(name, mode, statistics)
    return Affine(low, 2 / extent, -torch.ones(1))


def denormaliser(name: str, mode: str, statistics: Mapping[str, Tensor]) -> Affine:
    """Return the inverse of the normalisation of an output; see `normaliser`."""
    if mode == "MEAN_STD":
        mean, std = _values(name, ("mean", "std"), statistics)
        return Affine(torch.zeros(1), std, mean)
    if mode == "IDENTITY":
        return _identity()
    low, extent = _range(name, mode, statistics)
    return Affine(-torch.ones(1), extent / 2, low)


def _range(name: str, mode: str, statistics: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the lower end and the extent of a range, which is never zero."""
    if mode not in RANGES:
        known = ", ".join(("MEAN_STD", "IDENTITY", *RANGES))
        raise TrainingError(f"the normalisation of {name} is {mode!r}, expected one of {known}")
    low, high = _values(name, RANGES[mode], statistics)
    extent = high - low
    return low, torch.where(extent == 0, torch.tensor(EPSILON), extent)


def _values(
    name: str, keys: tuple[str, str], statistics: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    absent = [key for key in keys if f"{name}.{key}" not in statistics]
    if absent:
        raise TrainingError(
            f"the checkpoint has no {' and '.join(absent)} of {name}: save the policy with its "
            f"processors ({', '.join(PROCESSORS)})"
        )
    first, second = (statistics[f"{name}.{key}"].float() for key in keys)
    return first, second


def read_statistics(
    folder: Path, features: Iterable[str], weights: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the statistics by feature and kind, such as `observation.state.mean`.

    Args:
        folder: Folder of the checkpoint.
        features: Names of its inputs and outputs.
        weights: Its weights, which contain the statistics of older checkpoints.

    Raises:
        TrainingError: If a file cannot be read, or has a step besides the normalisation that may
            change values.
    """
    found, names = dict[str, Tensor](), tuple(features)
    for prefix in OLD_PREFIXES:
        for name in names:
            start = f"{prefix}{name.replace('.', '_')}."
            found |= {
                f"{name}.{key.removeprefix(start)}": value
                for key, value in weights.items()
                if key.startswith(start)
            }
    for file, kind in PROCESSORS.items():
        if not (folder / file).is_file():
            continue
        for step in read_json(folder / file).get("steps", ()):
            name = step.get("registry_name") or step.get("class", "without a name")
            if name == kind:
                found |= read_tensors(folder / step["state_file"]) if "state_file" in step else {}
            elif name not in NEUTRAL_STEPS and step.get("config", {}).get("enabled", True):
                raise TrainingError(
                    f"{folder / file} has the step {name}, expected {kind} and steps that change "
                    "no value: export this policy with its steps to ONNX in LeRobot"
                )
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping in a file.

    Raises:
        TrainingError: If it cannot be read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{path} cannot be read ({error}): give the folder of a LeRobot policy, often called "
            "pretrained_model"
        ) from error
    if not isinstance(values, dict):
        raise TrainingError(f"{path} is a {type(values).__name__}, expected a mapping")
    return values


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a file.

    Raises:
        TrainingError: If it cannot be read.
    """
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path} cannot be read ({error}): copy the checkpoint again"
        ) from error
    return tensors
