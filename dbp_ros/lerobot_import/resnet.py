"""Residual networks of images up to their last feature map (arXiv 1512.03385)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

# Blocks of each of the four stages.
BACKBONES = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
WIDTHS = (64, 128, 256, 512)
Norm = Callable[[int], nn.Module]


class FrozenNorm(nn.Module):
    """Batch normalisation with constant statistics."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        """Create the buffers of some channels."""
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised channels. Shape (n, channels, height, width)."""
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False
        )


class ResidualBlock(nn.Module):
    """Two convolutions with a skip connection."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        """Create a block; a change of the shape adds a convolution to the skip connection."""
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = norm(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(skip, norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of a map."""
        inner = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(inner)) + self.downsample(x))


class ResNet(nn.Module):
    """Residual network up to its last feature map."""

    def __init__(self, name: str, norm: Norm = FrozenNorm) -> None:
        """Create one of `BACKBONES`.

        Args:
            name: Name of the backbone.
            norm: Normalisation of a number of channels.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = norm(64)
        inputs = 64
        for stage, (blocks, width) in enumerate(zip(BACKBONES[name], WIDTHS, strict=True)):
            first = ResidualBlock(inputs, width, 2 if stage else 1, norm)
            rest = (ResidualBlock(width, width, 1, norm) for _ in range(blocks - 1))
            self.add_module(f"layer{stage + 1}", nn.Sequential(first, *rest))
            inputs = width

    def forward(self, image: Tensor) -> Tensor:
        """Return a map of shape (n, 512, height / 32, width / 32), rounded up."""
        x = functional.relu(self.bn1(self.conv1(image)))
        x = functional.max_pool2d(x, 3, 2, 1)
        for stage in range(1, len(WIDTHS) + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        return x
