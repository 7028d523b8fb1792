"""Random rows, augmentation and noise of an update.

All random numbers are sampled for the whole batch from one generator in one order. Each process
or accumulation step then takes its own rows, so their number does not change the update.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dbp_ros.data.units import METRES, RADIANS, ColumnUnits
from dbp_ros.learning.augmentation import Augmentation
from dbp_ros.learning.batch import DemonstrationBatch
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.normaliser import Normaliser
from dbp_ros.learning.training_data import TrainingData
from dbp_ros.types import Array


@dataclass(frozen=True)
class SampledBatch:
    """A batch, or the rows of one process.

    Attributes:
        batch: Augmented observations and their chunks. Its images are in the layout of the
            encoders, of shapes (B, history, 3, height, width).
        noise: Standard normal. Shape (B, num_samples, horizon, nu).
        uniform: Uniform in [0, 1]. Shape (B, num_samples, 3).
    """

    batch: DemonstrationBatch
    noise: Tensor
    uniform: Tensor

    def rows(self, start: int, end: int) -> "SampledBatch":
        """Return the rows from `start` to before `end`."""
        part = self.batch.rows(start, end)
        return SampledBatch(part, self.noise[start:end], self.uniform[start:end])

    def to(self, device: torch.device) -> "SampledBatch":
        """Return the batch on a device."""
        return SampledBatch(self.batch.to(device), self.noise.to(device), self.uniform.to(device))


class BatchSampler:
    """Sampler of batches of a data set.

    Attributes:
        generator: Source of all random numbers.
    """

    def __init__(self, config: TrainConfig, data: Demonstrations, prepared: TrainingData) -> None:
        """Sample from the training rows.

        Args:
            config: Settings.
            data: The data set.
            prepared: Its training rows with their weights and neighbours, and the normaliser,
                which gives the unit of the state noise and the shape of the noise samples.
        """
        self._config, self._data = config, data
        self._rows, self._neighbours = prepared.rows, prepared.neighbours
        self._cumulative = _cumulative_weights(prepared.weights)
        self._augment = Augmentation.of(config)
        self._chunk_shape = config.horizon, prepared.normaliser.action_size
        self._state_std = state_noise_std(config, data.state_names, data.units, prepared.normaliser)
        self.generator = torch.Generator().manual_seed(config.seed)

    def sample(self, num_samples: int, own: slice) -> SampledBatch:
        """Sample a batch and return the rows of this process.

        Noise is added to the observed states, not to the states that targets are relative to: an
        error in a relative target would be executed as a velocity.

        Args:
            num_samples: Noise samples for each observation.
            own: Rows of this process.
        """
        config, generator, data = self._config, self.generator, self._data
        rows = self._rows[self._indices(config.batch_size)]
        lags = {camera: self._lag(config.batch_size)[own] for camera in data.images}
        size = (config.batch_size, config.n_obs_steps, len(data.state_names))
        state_noise = torch.randn(size, generator=generator) * self._state_std
        shape = (config.batch_size, num_samples, *self._chunk_shape)
        noise = torch.randn(shape, generator=generator)
        uniform = torch.rand(config.batch_size, num_samples, 3, generator=generator)
        batch = data.batch(rows[own], config.horizon, config.n_obs_steps, lags, self._neighbours)
        images = {name: self._augmented(image, own) for name, image in batch.images.items()}
        augmented = replace(batch, states=batch.states + state_noise[own], images=images)
        return SampledBatch(augmented, noise[own], uniform[own])

    def _indices(self, count: int) -> NDArray[np.int64]:
        """Return random indices of training rows, with replacement. Shape (count,)."""
        size, cumulative = len(self._rows), self._cumulative
        if cumulative is None:
            return torch.randint(size, (count,), generator=self.generator).numpy()
        uniform = torch.rand(count, dtype=torch.float64, generator=self.generator).numpy()
        found = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
        # A product may be rounded up to the last sum.
        indices: NDArray[np.int64] = np.minimum(found, size - 1)
        return indices

    def _lag(self, count: int) -> NDArray[np.int64]:
        uniform = torch.rand(count, generator=self.generator)
        return (uniform < self._config.late_frame_probability).long().numpy()

    def _augmented(self, images: Tensor, own: slice) -> Tensor:
        history, count = images.shape[1], self._config.batch_size
        rows = slice(own.start * history, own.stop * history)
        augmented = self._augment(images.flatten(0, 1), self.generator, rows, count * history)
        return augmented.reshape(-1, history, *augmented.shape[1:])


def _cumulative_weights(weights: Array) -> Array | None:
    """Return the running sums of weights; None if all are equal."""
    return None if np.ptp(weights) == 0 else np.cumsum(weights)


def state_noise_std(
    config: TrainConfig, names: tuple[str, ...], units: ColumnUnits, normaliser: Normaliser
) -> Tensor:
    """Return the standard deviation of the noise on each state, in its unit. Shape (ns,)."""
    absolute = {RADIANS: config.position_noise_rad, METRES: config.gripper_noise_m}
    half_ranges = normaliser.state_half_range.cpu().tolist()
    return torch.tensor(
        [
            absolute.get(units.of(name), config.state_noise * half_range)
            for name, half_range in zip(names, half_ranges, strict=True)
        ]
    )
