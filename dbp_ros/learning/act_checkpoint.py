"""ACT policies of LeRobot: their checkpoint as an ONNX graph of raw positions and images."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import onnxruntime as ort
import torch
from torch import Tensor, nn

from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.learning.act_network import ACTIVATIONS, BACKBONES, ActNetwork, ActShape
from dbp_ros.learning.act_statistics import (
    ACTION,
    STATE,
    Affine,
    denormaliser,
    normaliser,
    read_json,
    read_statistics,
    read_tensors,
)
from dbp_ros.learning.onnx_graphs import write_graph
from dbp_ros.settings.fields import from_mapping

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
PREFIX = "model."
# Weights of the training objective only.
TRAINING_ONLY = "vae_encoder"
REQUIRED = ("input_features", "output_features", "normalization_mapping", "n_action_steps")
LARGEST_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class ActCheckpoint:
    """A policy with its normalisation.

    Attributes:
        policy: The network, from raw positions and images from 0 to 1 to raw actions.
        inputs: Names of the inputs, the state first.
        n_action_steps: Executed points of each chunk.
    """

    policy: "ActPolicy"
    inputs: tuple[str, ...]
    n_action_steps: int


class ActPolicy(nn.Module):
    """Network with the normalisation of its inputs and the denormalisation of its actions."""

    def __init__(self, network: ActNetwork, inputs: list[Affine], output: Affine) -> None:
        """Join a network with its normalisation, the state first."""
        super().__init__()
        self.network, self.inputs, self.output = network, nn.ModuleList(inputs), output

    def forward(self, state: Tensor, images: list[Tensor]) -> Tensor:
        """Return the actions of a chunk. Shape (1, chunk_size, action_dim).

        Args:
            state: Raw joint positions. Shape (1, state_dim).
            images: Pixels from 0 to 1. Shapes (1, 3, height, width).
        """
        state, *images = [n(x) for n, x in zip(self.inputs, (state, *images), strict=True)]
        action: Tensor = self.output(self.network(state, images))
        return action


def read_act(folder: Path) -> ActCheckpoint:
    """Read a checkpoint of LeRobot.

    Args:
        folder: Folder with `config.json` and `model.safetensors`, often called `pretrained_model`.

    Raises:
        TrainingError: If a file is missing, or the policy is of another kind.
    """
    config = read_json(folder / CONFIG_FILE)
    shape = _shape(folder, config)
    weights = read_tensors(folder / WEIGHTS_FILE)
    names = (STATE, *shape.cameras)
    statistics = read_statistics(folder, (*names, ACTION), weights)
    network = ActNetwork(shape)
    own = {n.removeprefix(PREFIX): w for n, w in weights.items() if n.startswith(PREFIX)}
    own = {name: weight for name, weight in own.items() if not name.startswith(TRAINING_ONLY)}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        problem = " ".join(str(error).split())
        raise TrainingError(
            f"{folder / WEIGHTS_FILE} does not fit {CONFIG_FILE} ({problem:.200}): save the policy "
            "again"
        ) from error
    modes = config["normalization_mapping"]
    normalisers = [
        normaliser(name, modes.get("STATE" if name == STATE else "VISUAL", ""), statistics)
        for name in names
    ]
    output = denormaliser(ACTION, modes.get("ACTION", ""), statistics)
    policy = ActPolicy(network, normalisers, output).eval()
    return ActCheckpoint(policy, names, int(config["n_action_steps"]))


def export_act(checkpoint: ActCheckpoint, path: Path) -> float:
    """Write a policy as an ONNX graph, and compare it with PyTorch.

    Returns:
        Largest difference of an action, in its unit.

    Raises:
        TrainingError: If the graph differs too much from PyTorch.
    """
    shape = checkpoint.policy.network.shape
    generator = torch.Generator().manual_seed(0)
    state = torch.rand((1, shape.state_dim), generator=generator)
    images = [torch.rand((1, 3, *size), generator=generator) for size in shape.cameras.values()]
    write_graph(checkpoint.policy, (state, images), path, list(checkpoint.inputs), [ACTION])
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    tensors = zip(checkpoint.inputs, (state, *images), strict=True)
    found = session.run(None, {name: tensor.numpy() for name, tensor in tensors})[0]
    with torch.no_grad():
        expected = checkpoint.policy(state, images)
    difference = float((torch.from_numpy(found) - expected).abs().max())
    largest = LARGEST_DIFFERENCE * max(1.0, float(expected.abs().max()))
    if not difference <= largest:
        raise TrainingError(
            f"the graph differs from PyTorch by {difference:.2g}, expected at most {largest:.2g}: "
            "report the version of PyTorch"
        )
    return difference


def _shape(folder: Path, config: Mapping[str, Any]) -> ActShape:
    """Return the sizes of a policy that `ActNetwork` can represent."""
    path = folder / CONFIG_FILE
    if absent := [key for key in REQUIRED if key not in config]:
        raise TrainingError(f"{path} lacks {', '.join(absent)}: save the policy again")
    inputs, outputs = config["input_features"], config["output_features"]
    kinds = {name: feature["type"] for name, feature in inputs.items()}
    for problem, holds in {
        f"type is {config.get('type')!r}, expected 'act'": config.get("type") != "act",
        f"n_obs_steps is {config.get('n_obs_steps')}, expected 1": config.get("n_obs_steps") != 1,
        f"input_features has no {STATE}": STATE not in inputs,
        "input_features has an environment state, which a robot does not measure": "ENV"
        in kinds.values(),
        f"vision_backbone is {config.get('vision_backbone')!r}, expected one of "
        f"{', '.join(BACKBONES)}": config.get("vision_backbone") not in BACKBONES,
        "replace_final_stride_with_dilation is set": bool(
            config.get("replace_final_stride_with_dilation")
        ),
        f"feedforward_activation is {config.get('feedforward_activation')!r}, expected one of "
        f"{', '.join(ACTIVATIONS)}": config.get("feedforward_activation") not in ACTIVATIONS,
    }.items():
        if holds:
            raise TrainingError(f"{path}: {problem}: export this policy to ONNX with LeRobot")
    values = {field.name: config[field.name] for field in fields(ActShape) if field.name in config}
    try:
        values["state_dim"] = inputs[STATE]["shape"][0]
        values["action_dim"] = outputs[ACTION]["shape"][0]
        values["cameras"] = {n: inputs[n]["shape"][1:] for n, k in kinds.items() if k == "VISUAL"}
        return from_mapping(ActShape, values)
    except (ConfigError, KeyError, TypeError, IndexError) as error:
        raise TrainingError(f"{path} has an unexpected feature: {error}") from error
