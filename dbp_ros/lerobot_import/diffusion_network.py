"""Inference graph of Diffusion Policy (arXiv 2303.04137): encoders and the denoising U-Net.

The names of the parameters are those of LeRobot's checkpoints, but for those of the backbone.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dbp_ros.lerobot_import.resnet import WIDTHS, FrozenNorm, ResNet

CHANNELS_PER_GROUP = 16
LONGEST_PERIOD = 10000.0


@dataclass(frozen=True)
class DiffusionShape:
    """Sizes of the network, by their names in `config.json`.

    Attributes:
        state_dim: Joint positions.
        action_dim: Columns of the action.
        cameras: Height and width of the images of each camera, in order.
    """

    state_dim: int
    action_dim: int
    cameras: dict[str, tuple[int, int]]
    n_obs_steps: int
    horizon: int
    vision_backbone: str
    use_group_norm: bool
    spatial_softmax_num_keypoints: int
    use_separate_rgb_encoder_per_camera: bool
    down_dims: tuple[int, ...]
    kernel_size: int
    n_groups: int
    diffusion_step_embed_dim: int
    use_film_scale_modulation: bool
    crop_shape: tuple[int, int] | None = None


class SpatialSoftmax(nn.Module):
    """Expected positions of the activations of learnt keypoints (arXiv 1509.06113)."""

    pos_grid: Tensor

    def __init__(self, points: int, size: tuple[int, int]) -> None:
        """Create the grid of a feature map of some height and width."""
        super().__init__()
        self.nets = nn.Conv2d(WIDTHS[-1], points, 1)
        self.register_buffer("pos_grid", torch.zeros(size[0] * size[1], 2))

    def forward(self, features: Tensor) -> Tensor:
        """Return column and row of each keypoint from -1 to 1. Shape (n, points, 2)."""
        attention = functional.softmax(self.nets(features).flatten(2), dim=-1)
        return attention @ self.pos_grid


class ImageEncoder(nn.Module):
    """Images of one camera to features."""

    def __init__(self, shape: DiffusionShape, size: tuple[int, int]) -> None:
        """Create the encoder of images of some height and width."""
        super().__init__()
        norm = _group_norm if shape.use_group_norm else FrozenNorm
        self.crop = shape.crop_shape or size
        self.backbone = ResNet(shape.vision_backbone, norm)
        points = shape.spatial_softmax_num_keypoints
        self.pool = SpatialSoftmax(points, (-(-self.crop[0] // 32), -(-self.crop[1] // 32)))
        self.out = nn.Linear(2 * points, 2 * points)

    def forward(self, images: Tensor) -> Tensor:
        """Return features of shape (n, 2 * points) of images of shape (n, 3, height, width)."""
        (height, width), (rows, columns) = images.shape[2:], self.crop
        top, left = round((height - rows) / 2), round((width - columns) / 2)
        cropped = images[:, :, top : top + rows, left : left + columns]
        return functional.relu(self.out(self.pool(self.backbone(cropped)).flatten(1)))


class TimeEmbedding(nn.Module):
    """Sinusoidal embedding of a timestep."""

    def __init__(self, size: int) -> None:
        """Create an embedding of an even size."""
        super().__init__()
        self.frequencies = size // 2

    def forward(self, time: Tensor) -> Tensor:
        """Return sines and cosines of shape (n, size) of timesteps of shape (n,)."""
        rate = math.log(LONGEST_PERIOD) / (self.frequencies - 1)
        angles = time.float()[:, None] * torch.exp(-rate * torch.arange(self.frequencies))
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class ConvBlock(nn.Module):
    """Convolution over the points of a chunk, normalisation and Mish."""

    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int) -> None:
        """Create a block that keeps the number of points."""
        super().__init__()
        convolution = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.block = nn.Sequential(convolution, nn.GroupNorm(groups, outputs), nn.Mish())

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of a chunk. Shape (n, outputs, points)."""
        result: Tensor = self.block(x)
        return result


class ConditionalBlock(nn.Module):
    """Two convolutions with a skip connection, modulated by a condition (arXiv 1709.07871)."""

    def __init__(self, shape: DiffusionShape, inputs: int, outputs: int, condition: int) -> None:
        """Create a block."""
        super().__init__()
        kernel, groups = shape.kernel_size, shape.n_groups
        self.scales = shape.use_film_scale_modulation
        self.conv1 = ConvBlock(inputs, outputs, kernel, groups)
        modulation = nn.Linear(condition, outputs * (2 if self.scales else 1))
        self.cond_encoder = nn.Sequential(nn.Mish(), modulation)
        self.conv2 = ConvBlock(outputs, outputs, kernel, groups)
        changes = inputs != outputs
        self.residual_conv = nn.Conv1d(inputs, outputs, 1) if changes else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return the features of a chunk. Shape (n, outputs, points)."""
        inner, modulation = self.conv1(x), self.cond_encoder(condition)[..., None]
        if self.scales:
            scale, bias = modulation.chunk(2, dim=1)
            inner = scale * inner + bias
        else:
            inner = inner + modulation
        result: Tensor = self.conv2(inner) + self.residual_conv(x)
        return result


class Level(nn.ModuleList):
    """Two blocks, and a layer that changes the number of points."""

    def features(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return the features after both blocks. Shape (n, outputs, points)."""
        result: Tensor = self[1](self[0](x, condition), condition)
        return result

    def resize(self, x: Tensor) -> Tensor:
        """Return the features of another number of points."""
        result: Tensor = self[2](x)
        return result


class UNet(nn.Module):
    """Denoising network: a noisy chunk, its timestep and a condition to a prediction."""

    def __init__(self, shape: DiffusionShape, condition: int) -> None:
        """Create the network for a condition of some size."""
        super().__init__()
        embedding, widths = shape.diffusion_step_embed_dim, shape.down_dims
        self.diffusion_step_encoder = nn.Sequential(
            TimeEmbedding(embedding),
            nn.Linear(embedding, 4 * embedding),
            nn.Mish(),
            nn.Linear(4 * embedding, embedding),
        )

        def block(inputs: int, outputs: int) -> ConditionalBlock:
            return ConditionalBlock(shape, inputs, outputs, condition + embedding)

        def level(inputs: int, outputs: int, resize: nn.Module) -> Level:
            return Level([block(inputs, outputs), block(outputs, outputs), resize])

        pairs = list(zip((shape.action_dim, *widths[:-1]), widths, strict=True))
        halves = [nn.Conv1d(width, width, 3, 2, 1) for width in widths[:-1]]
        self.down_modules = nn.ModuleList(
            level(*pair, resize)
            for pair, resize in zip(pairs, [*halves, nn.Identity()], strict=True)
        )
        self.mid_modules = nn.ModuleList(block(widths[-1], widths[-1]) for _ in range(2))
        self.up_modules = nn.ModuleList(
            level(2 * after, before, nn.ConvTranspose1d(before, before, 4, 2, 1))
            for before, after in reversed(pairs[1:])
        )
        self.final_conv = nn.Sequential(
            # LeRobot's number of groups here is always 8.
            ConvBlock(widths[0], widths[0], shape.kernel_size, 8),
            nn.Conv1d(widths[0], shape.action_dim, 1),
        )

    def forward(self, sample: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Return a prediction of shape (n, horizon, action_dim)."""
        embedded = torch.cat((self.diffusion_step_encoder(timestep), condition), dim=-1)
        x, skipped = sample.transpose(1, 2), list[Tensor]()
        for level in self.down_modules:
            assert isinstance(level, Level)
            skipped.append(level.features(x, embedded))
            x = level.resize(skipped[-1])
        for block in self.mid_modules:
            x = block(x, embedded)
        for level in self.up_modules:
            assert isinstance(level, Level)
            x = level.resize(level.features(torch.cat((x, skipped.pop()), dim=1), embedded))
        result: Tensor = self.final_conv(x).transpose(1, 2)
        return result


class DiffusionNetwork(nn.Module):
    """Normalised observations, a noisy chunk and its timestep to a prediction."""

    def __init__(self, shape: DiffusionShape) -> None:
        """Create the network."""
        super().__init__()
        self.shape = shape
        features, sizes = shape.state_dim, list(shape.cameras.values())
        if sizes:
            features += 2 * shape.spatial_softmax_num_keypoints * len(sizes)
            if shape.use_separate_rgb_encoder_per_camera:
                self.rgb_encoder: nn.Module = nn.ModuleList(ImageEncoder(shape, s) for s in sizes)
            else:
                self.rgb_encoder = ImageEncoder(shape, sizes[0])
        self.unet = UNet(shape, features * shape.n_obs_steps)

    def condition(self, state: Tensor, images: list[Tensor]) -> Tensor:
        """Return the condition of the U-Net. Shape (1, n_obs_steps * features).

        Args:
            state: Oldest first. Shape (1, n_obs_steps, state_dim).
            images: Of each camera. Shapes (1, n_obs_steps, 3, height, width).
        """
        features = [state[0]]
        for number, image in enumerate(images):
            shared = not self.shape.use_separate_rgb_encoder_per_camera
            name = "rgb_encoder" if shared else f"rgb_encoder.{number}"
            features.append(self.get_submodule(name)(image[0]))
        return torch.cat(features, dim=-1).reshape(1, -1)

    def forward(
        self, state: Tensor, images: list[Tensor], sample: Tensor, timestep: Tensor
    ) -> Tensor:
        """Return the prediction for a noisy chunk. Shape (1, horizon, action_dim)."""
        prediction: Tensor = self.unet(sample, timestep, self.condition(state, images))
        return prediction


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(channels // CHANNELS_PER_GROUP, channels)
