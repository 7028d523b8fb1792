"""A trained policy in PyTorch as a function of arrays, and its training from a data set."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from dbp_ros.errors import ObservationError
from dbp_ros.learning.checkpoint import Checkpoint, write_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.export import ExportMetadata, export_bundle
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape, image_tensor
from dbp_ros.learning.trainer import Report, Trainer, no_report
from dbp_ros.policy.chunk_policy import ChunkPolicy, PolicySpec
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import Floats, Image


class TrainedPolicy(ChunkPolicy):
    """A trained policy in PyTorch, on the CPU, with its averaged weights.

    Attributes:
        network: The module, in evaluation mode.
        metrics: Errors on the validation episodes.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        data: Demonstrations,
        seed: int | None = 0,
        latent_time_constant_s: float = PolicyConfig.latent_time_constant_s,
    ) -> None:
        """Load the policy of a checkpoint, trained on `data`; see `ChunkPolicy`."""
        self.network: PolicyNetwork = checkpoint.policy()
        self.metrics: dict[str, float] = checkpoint.metadata["metrics"]
        self._checkpoint, self._data = checkpoint, data
        super().__init__(spec_of(self.network), seed, latent_time_constant_s)

    @torch.no_grad()
    def sample(self, states: Floats, count: int, seed: int = 0) -> Floats:
        """Return chunks of independent latents: samples of the distribution for a state.

        Args:
            states: Shape (B, ns).
            count: Chunks for each state.
            seed: Seed of the latents.

        Returns:
            Shape (B, count, horizon, nu).

        Raises:
            ObservationError: If the policy has cameras, point clouds or a history.
        """
        if self.network.feature_sizes or self.spec.n_obs_steps > 1:
            raise ObservationError(
                "sample() supports policies without sensors and history: call the policy instead"
            )
        shape = (len(states), count, *self.network.chunk_shape)
        latents = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        observed = torch.as_tensor(np.asarray(states, np.float32))[:, None]
        chunks: Floats = self.network.act(observed, {}, latents).numpy()
        return chunks

    def save(self, run: str | Path) -> None:
        """Write the checkpoint to a folder, for `dbp export` and `dbp finetune`."""
        write_checkpoint(Path(run), self._checkpoint)

    def export(self, directory: str | Path, name: str = "") -> Path:
        """Write a model bundle for `load_policy`, `dbp demo` and a robot.

        Args:
            directory: Folder of the bundle; an older bundle there is replaced.
            name: Name of the model; by default that of the folder.

        Returns:
            The folder.

        Raises:
            TrainingError: If the graphs differ from PyTorch by more than 1e-5.
        """
        folder = Path(directory)
        export_bundle(self._checkpoint, self._data, folder, ExportMetadata(name or folder.name))
        return folder

    @torch.no_grad()
    def _encode(self, sensor: str, frame: Image | Floats) -> Floats:
        images, points, tensor = {}, {}, torch.from_numpy(np.ascontiguousarray(frame))[None, None]
        if sensor in self.spec.cameras:
            if frame.shape[:2] != (size := self.spec.cameras[sensor]):
                raise ObservationError(f"expected images of {size} px, got {frame.shape[:2]}")
            images[sensor] = image_tensor(tensor)
        else:
            points[sensor] = tensor
        features: Floats = self.network.encode(images, points)[sensor][0, 0].numpy()
        return features

    @torch.no_grad()
    def _predict(self, positions: Floats, features: Mapping[str, Floats], latent: Floats) -> Floats:
        encoded = {name: torch.from_numpy(feature)[None] for name, feature in features.items()}
        noise = torch.from_numpy(latent)[None, None]
        chunks = self.network.act(torch.from_numpy(positions)[None], encoded, noise)
        chunk: Floats = chunks[0, 0].numpy()
        return chunk


def spec_of(network: PolicyNetwork) -> PolicySpec:
    """Return the inputs and outputs of a policy."""
    shape: PolicyShape = network.shape
    return PolicySpec(
        states=shape.state_names,
        joints=shape.action_names,
        cameras=shape.cameras,
        clouds=shape.clouds,
        horizon=network.chunk_shape[0],
        n_obs_steps=network.n_obs_steps,
        step_s=shape.step_s,
        latent_size=network.chunk_shape[1],
    )


def train(
    data: Demonstrations,
    config: TrainConfig | None = None,
    *,
    run: str | Path | None = None,
    report: Report = no_report,
) -> TrainedPolicy:
    """Train a policy; `dbp train` does the same from the command line.

    Args:
        data: Demonstrations, from arrays or from `load_demonstrations`.
        config: The settings; the defaults if None.
        run: Folder for checkpoints, log and curves; None to write nothing.
        report: Called after each step with its number and, after a validation, its metrics.

    Returns:
        The policy.

    Raises:
        TrainingError: If no episode is left to train on, an action is constant, or the loss is not
            finite.
    """
    trainer = Trainer(config or TrainConfig(), data, None if run is None else Path(run))
    trainer.train(report=report)
    return TrainedPolicy(trainer.checkpoint(), data)
