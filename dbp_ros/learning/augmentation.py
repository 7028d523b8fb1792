"""Make recorded pictures vary as cameras and light do; in training only."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dbp_ros.learning.config import TrainConfig

_NOISE_TILES = 32


@dataclass(frozen=True)
class Augmentation:
    """Random shifts, light and noise.

    Attributes:
        shift_px: Largest shift, with the border repeated.
        brightness: Largest change, as a share of the range.
        contrast: Largest relative change of contrast about the middle of the range.
        pixel_noise: Standard deviation of the noise, of 255.
    """

    shift_px: int
    brightness: float
    contrast: float
    pixel_noise: float

    @classmethod
    def of(cls, config: TrainConfig) -> "Augmentation":
        """Return what the settings ask for."""
        return cls(config.shift_px, config.brightness, config.contrast, config.pixel_noise)

    def __call__(self, images: Tensor, chance: torch.Generator) -> Tensor:
        """Return pictures as the encoder takes them, changed at random.

        Args:
            images: Shape (B, height, width, 3), uint8.
            chance: Source of all randomness.

        Returns:
            Between 0 and 255 or a little beyond. Shape (B, 3, height, width).
        """
        shifted = self._shift(images, chance)
        count = len(images)
        gain = 1.0 + self.contrast * _signed(count, chance)
        offset = 255.0 * self.brightness * _signed(count, chance)
        light = offset + 127.5 * (1.0 - gain)
        noise = torch.randn(_NOISE_TILES, *images.shape[1:], generator=chance) * self.pixel_noise
        tiles = torch.randint(_NOISE_TILES, (count,), generator=chance)
        varied = torch.addcmul(light, shifted.float(), gain) + noise[tiles]
        return varied.permute(0, 3, 1, 2).contiguous()

    def _shift(self, images: Tensor, chance: torch.Generator) -> Tensor:
        count, height, width, _ = images.shape
        reach = 2 * self.shift_px + 1
        moves = torch.randint(reach, (2, count, 1), generator=chance) - self.shift_px
        rows = (torch.arange(height) + moves[0]).clamp(0, height - 1)
        columns = (torch.arange(width) + moves[1]).clamp(0, width - 1)
        return images[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


def _signed(count: int, chance: torch.Generator) -> Tensor:
    return torch.rand(count, 1, 1, 1, generator=chance) * 2.0 - 1.0
