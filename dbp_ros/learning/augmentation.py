"""Random image augmentation for training."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dbp_ros.learning.config import TrainConfig

_NOISE_TILES = 32


@dataclass(frozen=True)
class Augmentation:
    """Random crops, shifts, brightness, contrast and noise.

    Attributes:
        crop: Fraction of the rows and columns that remains.
        shift_px: Largest shift, padded with the border.
        brightness: Largest change, as a fraction of the range.
        contrast: Largest relative change of the contrast around the middle of the range.
        pixel_noise: Standard deviation of the noise, on a scale of 255.
    """

    crop: float
    shift_px: int
    brightness: float
    contrast: float
    pixel_noise: float

    @classmethod
    def of(cls, config: TrainConfig) -> "Augmentation":
        """Return the augmentation of a configuration."""
        light = (config.brightness, config.contrast, config.pixel_noise)
        return cls(config.crop, config.shift_px, *light)

    def __call__(
        self, images: Tensor, generator: torch.Generator, rows: slice, total: int
    ) -> Tensor:
        """Return augmented images in the layout of the encoder.

        Args:
            images: Rows of a batch. Shape (B, height, width, 3), uint8.
            generator: Random generator; sampled for the whole batch.
            rows: Rows of `images` in the batch.
            total: Number of images in the batch.

        Returns:
            About 0 to 255. Shape (B, 3, height, width), smaller if cropped.
        """
        cropped = self._crop(images, generator, rows, total)
        gain = 1.0 + self.contrast * _signed(total, generator)[rows]
        offset = 255.0 * self.brightness * _signed(total, generator)[rows]
        light = offset + 127.5 * (1.0 - gain)
        noise = (
            torch.randn(_NOISE_TILES, *cropped.shape[1:], generator=generator) * self.pixel_noise
        )
        tiles = torch.randint(_NOISE_TILES, (total,), generator=generator)[rows]
        augmented = torch.addcmul(light, cropped.float(), gain) + noise[tiles]
        return augmented.permute(0, 3, 1, 2).contiguous()

    def _crop(self, images: Tensor, generator: torch.Generator, rows: slice, total: int) -> Tensor:
        """Return shifted and cropped images."""
        if not self.shift_px and self.crop == 1.0:
            return images
        down = self._pixels(total, images.shape[1], generator)[rows]
        across = self._pixels(total, images.shape[2], generator)[rows]
        index = torch.arange(len(images))[:, None, None]
        return images[index, down[:, :, None], across[:, None, :]]

    def _pixels(self, count: int, size: int, generator: torch.Generator) -> Tensor:
        """Return the indices of the remaining rows or columns. Shape (count, cropped size)."""
        cropped = cropped_size(self.crop, size)
        offsets = 2 * self.shift_px + size - cropped + 1
        begin = torch.randint(offsets, (count, 1), generator=generator) - self.shift_px
        return (begin + torch.arange(cropped)).clamp(0, size - 1)


def cropped_size(crop: float, size: int) -> int:
    """Return the number of rows or columns after the crop."""
    return round(crop * size)


def _signed(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, 1, 1, 1, generator=generator) * 2.0 - 1.0
