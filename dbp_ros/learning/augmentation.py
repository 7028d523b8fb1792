"""Make recorded pictures vary as cameras and light do; in training only."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dbp_ros.learning.config import TrainConfig

_NOISE_TILES = 32


@dataclass(frozen=True)
class Augmentation:
    """Random crops, shifts, light and noise.

    Attributes:
        crop: Share of the rows and columns that are seen.
        shift_px: Largest shift, with the border repeated.
        brightness: Largest change, as a share of the range.
        contrast: Largest relative change of contrast about the middle of the range.
        pixel_noise: Standard deviation of the noise, of 255.
    """

    crop: float
    shift_px: int
    brightness: float
    contrast: float
    pixel_noise: float

    @classmethod
    def of(cls, config: TrainConfig) -> "Augmentation":
        """Return what the settings ask for."""
        light = (config.brightness, config.contrast, config.pixel_noise)
        return cls(config.crop, config.shift_px, *light)

    def __call__(self, images: Tensor, chance: torch.Generator, rows: slice, total: int) -> Tensor:
        """Return pictures as the encoder takes them, changed at random.

        Args:
            images: Some pictures of a batch. Shape (B, height, width, 3), uint8.
            chance: Source of all randomness; the whole batch is drawn from it.
            rows: Which of the batch they are.
            total: Pictures in the batch.

        Returns:
            Between 0 and 255 or a little beyond. Shape (B, 3, height, width), less where cropped.
        """
        seen = self._cut(images, chance, rows, total)
        gain = 1.0 + self.contrast * _signed(total, chance)[rows]
        offset = 255.0 * self.brightness * _signed(total, chance)[rows]
        light = offset + 127.5 * (1.0 - gain)
        noise = torch.randn(_NOISE_TILES, *seen.shape[1:], generator=chance) * self.pixel_noise
        tiles = torch.randint(_NOISE_TILES, (total,), generator=chance)[rows]
        varied = torch.addcmul(light, seen.float(), gain) + noise[tiles]
        return varied.permute(0, 3, 1, 2).contiguous()

    def _cut(self, images: Tensor, chance: torch.Generator, rows: slice, total: int) -> Tensor:
        """Return pictures shifted and cropped."""
        if not self.shift_px and self.crop == 1.0:
            return images
        down = self._places(total, images.shape[1], chance)[rows]
        across = self._places(total, images.shape[2], chance)[rows]
        each = torch.arange(len(images))[:, None, None]
        return images[each, down[:, :, None], across[:, None, :]]

    def _places(self, count: int, size: int, chance: torch.Generator) -> Tensor:
        """Return which rows or columns of a side are seen. Shape (count, kept)."""
        kept = kept_pixels(self.crop, size)
        reach = 2 * self.shift_px + size - kept + 1
        begin = torch.randint(reach, (count, 1), generator=chance) - self.shift_px
        return (begin + torch.arange(kept)).clamp(0, size - 1)


def kept_pixels(crop: float, size: int) -> int:
    """Return how many rows or columns of a side a crop leaves, in training as deployed."""
    return round(crop * size)


def _signed(count: int, chance: torch.Generator) -> Tensor:
    return torch.rand(count, 1, 1, 1, generator=chance) * 2.0 - 1.0
