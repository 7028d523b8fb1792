"""Image and point cloud encoders, small enough for one CPU core."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from dbp_ros.errors import ConfigError, TrainingError

_BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_GROUP_SIZE = 16


class Encoder(nn.Module, ABC):
    """Interface of encoders.

    Attributes:
        feature_size: Number of features of a frame.
    """

    feature_size: int

    @abstractmethod
    def forward(self, frame: Tensor) -> Tensor:
        """Return shape (B, feature_size) for raw frames.

        Args:
            frame: Pixels, shape (B, 3, height, width), or points, shape (B, N, channels).
        """


class KeypointEncoder(Encoder):
    """Keypoint coordinates and channel means of an image.

    Four convolutions reduce the resolution to a quarter. A spatial softmax gives the mean
    coordinates of each map with subpixel resolution.
    """

    def __init__(self, widths: tuple[int, int, int, int], keypoints: int) -> None:
        """Build an encoder; each of `widths` is a multiple of 8."""
        super().__init__()
        first, second, third, fourth = widths
        self.layers = nn.Sequential(
            nn.Conv2d(3, first, 5, stride=2, padding=2),
            nn.GroupNorm(first // 8, first),
            nn.SiLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.GroupNorm(second // 8, second),
            nn.SiLU(),
            nn.Conv2d(second, third, 3, padding=1),
            nn.GroupNorm(third // 8, third),
            nn.SiLU(),
            nn.Conv2d(third, fourth, 3, padding=1),
            nn.GroupNorm(fourth // 8, fourth),
            nn.SiLU(),
        )
        self.maps = nn.Conv2d(fourth, keypoints, 1)
        self.feature_size = 2 * keypoints + fourth

    def forward(self, frame: Tensor) -> Tensor:
        """Return keypoint coordinates in [-1, 1], then channel means. Shape (B, feature_size).

        Args:
            frame: Pixels from 0 to 255. Shape (B, 3, height, width).
        """
        hidden = self.layers((frame - 127.5) / 64.0)
        return torch.cat([spatial_softmax(self.maps(hidden)), hidden.mean((2, 3))], dim=1)


def spatial_softmax(maps: Tensor) -> Tensor:
    """Return the mean coordinates of each map's softmax: all columns, then all rows.

    Args:
        maps: Shape (B, K, height, width).

    Returns:
        Coordinates in [-1, 1], -1 at the first pixel's centre. Shape (B, 2 K).
    """
    mass = maps.float().flatten(2).softmax(-1).reshape(maps.shape)
    across = torch.linspace(-1.0, 1.0, maps.shape[3], device=maps.device)
    down = torch.linspace(-1.0, 1.0, maps.shape[2], device=maps.device)
    return torch.cat([(mass.sum(2) * across).sum(-1), (mass.sum(3) * down).sum(-1)], dim=1)


class ResidualPair(nn.Module):
    """Two convolutions added to their input: the basic block of arXiv 1512.03385, figure 5."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        """Build a block from `before` to `after` channels."""
        super().__init__()
        self.first = _convolution(before, after, 3, stride)
        self.second = _convolution(after, after, 3, 1)
        same = stride == 1 and before == after
        self.shortcut = nn.Identity() if same else _convolution(before, after, 1, stride)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return shape (B, after, height / stride, width / stride), rounded up."""
        inner = self.second(functional.relu(self.first(hidden)))
        return functional.relu(inner + self.shortcut(hidden))


class ResNetEncoder(Encoder):
    """A residual network (arXiv 1512.03385) from scratch.

    It has group normalisation, since batch statistics are incompatible with averaged weights
    (arXiv 2303.04137).
    """

    def __init__(
        self, depth: int = 18, width: float = 1.0, feature_size: int = 128, keypoints: int = 0
    ) -> None:
        """Build an encoder.

        Args:
            depth: Layers: 10, 18 or 34.
            width: Factor on the published 64 to 512 channels, rounded to groups of 16.
            feature_size: Number of features.
            keypoints: Keypoints of a spatial softmax on the last maps; 0 for the mean of the maps.

        Raises:
            ConfigError: If there is no network of this depth or width.
        """
        super().__init__()
        if depth not in _BLOCKS:
            raise ConfigError(f"depth is {depth}, expected one of {', '.join(map(str, _BLOCKS))}")
        if width <= 0:
            raise ConfigError(f"width is {width}, expected a factor above 0, such as 0.5")
        first, *_, last = widths = [_round_to_group(size * width) for size in (64, 128, 256, 512)]
        self.stem = nn.Sequential(
            _convolution(3, first, 7, 2), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)
        )
        plan = zip([first, *widths[:-1]], widths, (1, 2, 2, 2), _BLOCKS[depth], strict=True)
        self.stages = nn.Sequential(*(_stage(*stage) for stage in plan))
        self.maps = nn.Conv2d(last, keypoints, 1) if keypoints else None
        self.leave = nn.Linear(2 * keypoints or last, feature_size)
        self.feature_size = feature_size

    def forward(self, frame: Tensor) -> Tensor:
        """Return shape (B, feature_size) for pixels from 0 to 255, (B, 3, height, width)."""
        hidden = self.stages(self.stem((frame - 127.5) / 127.5))
        pooled = hidden.mean((2, 3)) if self.maps is None else spatial_softmax(self.maps(hidden))
        features: Tensor = self.leave(pooled)
        return features


class CentreCrop(nn.Module):
    """Centre crop, for the deployment of a policy that was trained on random crops."""

    def __init__(self, height: int, width: int) -> None:
        """Set the size of the crop in pixels."""
        super().__init__()
        self.height, self.width = height, width

    def forward(self, frame: Tensor) -> Tensor:
        """Return shape (..., `height`, `width`).

        Raises:
            ConfigError: If the image is smaller.
        """
        height, width = frame.shape[-2:]
        if self.height > height or self.width > width:
            raise ConfigError(
                f"cannot crop {self.height} x {self.width} pixels out of {height} x {width}; "
                "make the crop smaller or the images larger"
            )
        top, left = (height - self.height) // 2, (width - self.width) // 2
        return frame[..., top : top + self.height, left : left + self.width]


class PointCloudEncoder(Encoder):
    """Features of a point cloud, invariant to the order and repetition of points.

    The encoder of DP3 (arXiv 2403.03954) for points without colours, with any number of channels:
    an MLP per point with layer normalisation, the maximum over the points, and a projection.
    """

    centre: Tensor
    half_range: Tensor

    def __init__(
        self,
        channels: int = 3,
        feature_size: int = 256,
        widths: tuple[int, ...] = (64, 128, 256, 512),
    ) -> None:
        """Build an encoder.

        Args:
            channels: Numbers in a point: 3 for positions in [m], 6 with colours from 0 to 1.
            feature_size: Number of features.
            widths: Of the layers of the MLP, one or more.
        """
        super().__init__()
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("half_range", torch.ones(channels))
        layers: list[nn.Module] = []
        for before, after in zip((channels, *widths), widths, strict=False):
            layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.leave = nn.Linear(widths[-1], feature_size)
        self.feature_size = feature_size

    def fit(self, points: Tensor) -> None:
        """Map the range of these points to [-1, 1]; a constant channel is only centred.

        Args:
            points: Of a whole data set. Shape (..., channels).

        Raises:
            TrainingError: If there are no points, or one is not finite.
        """
        flat = points.reshape(-1, self.centre.numel())
        if not len(flat) or not flat.isfinite().all():
            raise TrainingError(
                f"cannot fit {len(flat)} points, {int((~flat.isfinite()).any(1).sum())} of them "
                "not finite; drop pixels without depth before making clouds"
            )
        low, high = flat.aminmax(dim=0)
        half = (high - low) / 2
        self.centre.copy_((low + high) / 2)
        self.half_range.copy_(torch.where(half > 0, half, torch.ones_like(half)))

    def forward(self, frame: Tensor) -> Tensor:
        """Return shape (B, feature_size) for points of shape (B, N, channels)."""
        hidden: Tensor = self.layers((frame - self.centre) / self.half_range)
        features: Tensor = self.leave(hidden.amax(1))
        return features


def _round_to_group(channels: float) -> int:
    """Return the nearest multiple of the group size."""
    return max(round(channels / _GROUP_SIZE), 1) * _GROUP_SIZE


def _convolution(before: int, after: int, kernel: int, stride: int) -> nn.Sequential:
    """Return a convolution and its normalisation; He initialisation (arXiv 1502.01852)."""
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.GroupNorm(after // _GROUP_SIZE, after))


def _stage(before: int, after: int, stride: int, blocks: int) -> nn.Sequential:
    """Return the blocks of one resolution; the first changes the resolution."""
    rest = (ResidualPair(after, after, 1) for _ in range(blocks - 1))
    return nn.Sequential(ResidualPair(before, after, stride), *rest)
