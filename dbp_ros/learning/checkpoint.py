"""The state of a training run in one safetensors file.

No pickle: opening an untrusted checkpoint runs no code.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dbp_ros.data.selection import Selection
from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.files import atomic_file
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.learner import CHECKPOINT as CHECKPOINT

# Version of the layout.
FORMAT = 5


@dataclass(frozen=True)
class Checkpoint:
    """State of a run, to resume it or to export its policy.

    Attributes:
        config: The settings of the run.
        shape: Inputs and outputs of the policy.
        metadata: Counters, metrics and the identity of the data set, as JSON.
        tensors: `weights/`, `average/`, `optimizer/` and `generator` by name.
    """

    config: TrainConfig
    shape: PolicyShape
    metadata: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def selection(self) -> Selection:
        """The selected keys of the data set."""
        return from_mapping(Selection, self.metadata["dataset"].get("selection", {}))

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors under `prefix/`, without it."""
        start = f"{prefix}/"
        return {
            name.removeprefix(start): value
            for name, value in self.tensors.items()
            if name.startswith(start)
        }

    def policy(self) -> PolicyNetwork:
        """Return the policy with the averaged weights, in evaluation mode."""
        policy = PolicyNetwork(self.shape, self.config)
        policy.load_state_dict(self.part("average"))
        return policy.eval().requires_grad_(False)


def by_number(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Return tensors named `number/name` by number, then by name."""
    groups: dict[int, dict[str, Tensor]] = {}
    for path, value in tensors.items():
        number, name = path.split("/")
        groups.setdefault(int(number), {})[name] = value
    return groups


def write_checkpoint(run: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically.

    Raises:
        TrainingError: If it cannot be written.
    """
    header = {
        "format": FORMAT,
        "config": asdict(checkpoint.config),
        "shape": asdict(checkpoint.shape),
        "facts": checkpoint.metadata,
    }
    tensors = {name: value.contiguous() for name, value in checkpoint.tensors.items()}
    try:
        with atomic_file(run / CHECKPOINT) as staging:
            save_file(tensors, staging, {"header": json.dumps(header)})
    except SafetensorError as error:
        raise TrainingError(f"{run / CHECKPOINT} cannot be written: {error}") from error


def read_checkpoint(run: Path) -> Checkpoint:
    """Read the checkpoint of a run.

    Raises:
        TrainingError: If there is none, or it is damaged or of another version.
    """
    path = run / CHECKPOINT
    try:
        with safe_open(path, "pt") as file:
            header = json.loads(file.metadata()["header"])
            if header["format"] != FORMAT:
                raise TrainingError(
                    f"{path} has format {header['format']}, expected {FORMAT}: it was written by "
                    "another version, train again"
                )
            return Checkpoint(
                config=from_mapping(TrainConfig, header["config"]),
                shape=from_mapping(PolicyShape, header["shape"]),
                metadata=header["facts"],
                tensors={name: file.get_tensor(name) for name in file.keys()},  # noqa: SIM118
            )
    except (OSError, KeyError, TypeError, ValueError, ConfigError, SafetensorError) as error:
        raise TrainingError(f"{path} is not a checkpoint ({error}): train first") from error
