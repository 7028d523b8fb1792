"""What is drawn at random for an update: which rows, how they vary, which noise.

Everything is drawn for the whole batch from one source, in one order, however many parts or
machines it is computed in; each then takes its own rows. So one machine and two make the same
update.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dbp_ros.learning.augmentation import Augmentation
from dbp_ros.learning.batch import DemonstrationBatch
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.neighbours import Neighbours
from dbp_ros.learning.normaliser import METRES, RADIANS, Normaliser, unit_of


@dataclass(frozen=True)
class SampledBatch:
    """A batch, or the rows of it that one machine computes.

    Attributes:
        batch: Observations, varied, and the chunks that followed. Its pictures are as encoders
            take them, of shapes (B, history, 3, height, width).
        noise: Standard normal. Shape (B, draws, horizon, nu).
        chance: Uniform. Shape (B, draws, 3).
    """

    batch: DemonstrationBatch
    noise: Tensor
    chance: Tensor

    def rows(self, start: int, end: int) -> "SampledBatch":
        """Return the part from row `start` to before row `end`."""
        part = self.batch.rows(start, end)
        return SampledBatch(part, self.noise[start:end], self.chance[start:end])

    def to(self, device: torch.device) -> "SampledBatch":
        """Return all of it on a device."""
        return SampledBatch(self.batch.to(device), self.noise.to(device), self.chance.to(device))


class BatchSampler:
    """Draws batches from the training rows of a data set."""

    def __init__(
        self,
        config: TrainConfig,
        data: Demonstrations,
        rows: NDArray[np.int64],
        normaliser: Normaliser,
        neighbours: Neighbours | None,
    ) -> None:
        """Draw from `rows`; `chance` is the one source of everything random."""
        self._config, self._data, self._rows = config, data, rows
        self._neighbours = neighbours
        self._augment = Augmentation.of(config)
        self._deviation = state_deviation(config, data.state_names, normaliser)
        self.chance = torch.Generator().manual_seed(config.seed)

    def draw(self, draws: int, mine: slice) -> SampledBatch:
        """Draw a batch and return the rows of it that are `mine`.

        The noise on measured states blurs what the network sees and not what it is to say: an
        error in a relative target would be a velocity when it is played.

        Args:
            draws: Noise draws for each observation.
            mine: Rows of the batch.
        """
        config, chance, data = self._config, self.chance, self._data
        picks = torch.randint(len(self._rows), (config.batch_size,), generator=chance).numpy()
        rows = self._rows[picks]
        late = {camera: self._lag(config.batch_size)[mine] for camera in data.images}
        size = (config.batch_size, config.n_obs_steps, len(data.state_names))
        blur = torch.randn(size, generator=chance) * self._deviation
        shape = (config.batch_size, draws, config.horizon, len(data.action_names))
        noise = torch.randn(shape, generator=chance)
        times = torch.rand(config.batch_size, draws, 3, generator=chance)
        batch = data.batch(rows[mine], config.horizon, config.n_obs_steps, late, self._neighbours)
        images = {name: self._vary(seen, mine) for name, seen in batch.images.items()}
        varied = replace(batch, states=batch.states + blur[mine], images=images)
        return SampledBatch(varied, noise[mine], times[mine])

    def _lag(self, count: int) -> NDArray[np.int64]:
        chance = torch.rand(count, generator=self.chance)
        return (chance < self._config.late_frame_probability).long().numpy()

    def _vary(self, images: Tensor, mine: slice) -> Tensor:
        history, count = images.shape[1], self._config.batch_size
        rows = slice(mine.start * history, mine.stop * history)
        varied = self._augment(images.flatten(0, 1), self.chance, rows, count * history)
        return varied.reshape(-1, history, *varied.shape[1:])


def state_deviation(config: TrainConfig, names: tuple[str, ...], normaliser: Normaliser) -> Tensor:
    """Return the standard deviation of the noise on each state, in its unit. Shape (ns,)."""
    known = {RADIANS: config.position_noise_rad, METRES: config.gripper_noise_m}
    half_ranges = normaliser.state_half_range.cpu().tolist()
    return torch.tensor(
        [
            known.get(unit_of(name), config.state_noise * half_range)
            for name, half_range in zip(names, half_ranges, strict=True)
        ]
    )
