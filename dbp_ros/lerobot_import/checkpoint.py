"""Checkpoints of LeRobot: configuration, weights and statistics of one policy."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.lerobot_import.resnet import BACKBONES
from dbp_ros.lerobot_import.statistics import (
    ACTION,
    STATE,
    Affine,
    denormaliser,
    normaliser,
    read_json,
    read_statistics,
    read_tensors,
)
from dbp_ros.settings.fields import from_mapping

KINDS = ("act", "diffusion")
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
FEATURES = ("input_features", "output_features")
MAPPINGS = (*FEATURES, "normalization_mapping")
# Part of the names of weights by `torch.compile`.
COMPILED = "_orig_mod."
Shape = TypeVar("Shape")


@dataclass(frozen=True)
class Checkpoint:
    """Content of the folder of a policy, often called `pretrained_model`.

    Attributes:
        folder: The folder.
        config: Configuration of the policy.
    """

    folder: Path
    config: Mapping[str, Any]

    @property
    def cameras(self) -> dict[str, tuple[int, int]]:
        """Height and width of the images of each camera, in order."""
        inputs = self.config["input_features"]
        visual = {name: f["shape"] for name, f in inputs.items() if f["type"] == "VISUAL"}
        return {name: (shape[1], shape[2]) for name, shape in visual.items()}

    @property
    def n_action_steps(self) -> int:
        """Executed points of each chunk."""
        return int(self.config["n_action_steps"])

    def refuse(self, problems: Mapping[str, bool]) -> None:
        """Raise `TrainingError` for the first of some problems that holds."""
        for problem, holds in problems.items():
            if holds:
                path = self.folder / CONFIG_FILE
                raise TrainingError(f"{path}: {problem}: export this policy to ONNX with LeRobot")

    def shape(self, kind: type[Shape], **sizes: Any) -> Shape:
        """Return the sizes of a network, from the configuration.

        Args:
            kind: A dataclass whose fields have the names of the configuration.
            sizes: Fields with other values.

        Raises:
            TrainingError: If a value is missing or has the wrong type.
        """
        try:
            inputs, outputs = self.config["input_features"], self.config["output_features"]
            values = {
                "state_dim": inputs[STATE]["shape"][0],
                "action_dim": outputs[ACTION]["shape"][0],
                "cameras": {name: list(size) for name, size in self.cameras.items()},
            }
            names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
            given = {name: value for name, value in self.config.items() if name in names}
            return from_mapping(kind, {**given, **values, **sizes})
        except (ConfigError, KeyError, TypeError, IndexError) as error:
            path = self.folder / CONFIG_FILE
            raise TrainingError(f"{path} has an unexpected feature: {error}") from error

    def fill(self, network: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Load weights into a network.

        Raises:
            TrainingError: If names or shapes differ.
        """
        try:
            network.load_state_dict(dict(weights))
        except RuntimeError as error:
            problem = " ".join(str(error).split())
            raise TrainingError(
                f"{self.folder / WEIGHTS_FILE} does not fit {CONFIG_FILE} ({problem:.200}): save "
                "the policy again"
            ) from error

    def weights(self) -> dict[str, Tensor]:
        """Return all weights by name, those of compiled networks without its prefix.

        Raises:
            TrainingError: If the file cannot be read.
        """
        weights = read_tensors(self.folder / WEIGHTS_FILE)
        return {name.replace(COMPILED, ""): weight for name, weight in weights.items()}

    def normalisation(
        self, names: tuple[str, ...], weights: Mapping[str, Tensor]
    ) -> tuple[list[Affine], Affine]:
        """Return the normalisation of each input and the denormalisation of the action.

        Args:
            names: Inputs, in order.
            weights: All weights, among which older checkpoints have the statistics.

        Raises:
            TrainingError: If a statistic is missing.
        """
        statistics = read_statistics(self.folder, (*names, ACTION), weights)
        modes = self.config["normalization_mapping"]
        kinds = {name: "STATE" if name == STATE else "VISUAL" for name in names}
        inputs = [
            normaliser(name, modes.get(kind, "IDENTITY"), statistics)
            for name, kind in kinds.items()
        ]
        return inputs, denormaliser(ACTION, modes.get("ACTION", "IDENTITY"), statistics)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read the configuration of a policy.

    Raises:
        TrainingError: If it cannot be read, or the policy is of another type or needs what a robot
            does not measure.
    """
    config = read_json(folder / CONFIG_FILE)
    checkpoint = Checkpoint(folder, config)
    # First: policies of other types have other keys.
    kind = config.get("type")
    checkpoint.refuse({f"type is {kind!r}, expected {' or '.join(KINDS)}": kind not in KINDS})
    _require_keys(checkpoint)
    inputs = config["input_features"]
    backbone = config.get("vision_backbone")
    kinds = {feature.get("type") for feature in inputs.values()}
    checkpoint.refuse(
        {
            f"input_features has no {STATE}": STATE not in inputs,
            "use_relative_actions is set": bool(config.get("use_relative_actions")),
            "input_features has an environment state, which a robot does not measure": "ENV"
            in kinds,
            f"vision_backbone is {backbone!r}, expected one of {', '.join(BACKBONES)}": backbone
            not in BACKBONES,
        }
    )
    return checkpoint


def _require_keys(checkpoint: Checkpoint) -> None:
    """Raise `TrainingError` if a key is missing, or is no mapping as LeRobot writes it."""
    config, path = checkpoint.config, checkpoint.folder / CONFIG_FILE
    if absent := [key for key in (*MAPPINGS, "n_action_steps") if key not in config]:
        raise TrainingError(f"{path} lacks {', '.join(absent)}: save the policy again")
    values = {key: config[key] for key in MAPPINGS}
    for key in FEATURES:
        if isinstance(config[key], dict):
            values |= {f"{key}.{name}": feature for name, feature in config[key].items()}
    for key, value in values.items():
        if not isinstance(value, dict):
            raise TrainingError(
                f"{path}: {key} is {value!r:.80}, expected a mapping: save the policy again"
            )
