"""The policy as it is trained: an encoder for each camera, a generator, a normaliser."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dbp_ros.drift.networks import Generator, KeypointEncoder
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.normaliser import Normaliser


@dataclass(frozen=True)
class PolicyShape:
    """What a policy is wired to.

    Attributes:
        joints: Names of the joints, in order.
        cameras: Height and width of each camera's pictures, by name.
        step_s: Time between two points of a chunk, in [s].
    """

    joints: tuple[str, ...]
    cameras: dict[str, tuple[int, int]]
    step_s: float

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "PolicyShape":
        """Return the shape that `dataclasses.asdict` and JSON have been through."""
        cameras = {name: (size[0], size[1]) for name, size in document["cameras"].items()}
        return cls(tuple(document["joints"]), cameras, document["step_s"])


class Policy(nn.Module):
    """From pictures, positions and a latent to absolute joint positions in one pass."""

    def __init__(self, shape: PolicyShape, config: TrainConfig) -> None:
        """Build an untrained policy."""
        super().__init__()
        nu = len(shape.joints)
        first, second, third, fourth = config.channels
        self.encoders = nn.ModuleList(
            KeypointEncoder((first, second, third, fourth), config.keypoints) for _ in shape.cameras
        )
        self.feature_size = 2 * config.keypoints + fourth
        self.camera_names = tuple(shape.cameras)
        self.history = config.history
        observation = config.history * (nu + len(shape.cameras) * self.feature_size)
        self.generator = Generator(
            observation,
            config.horizon,
            nu,
            width=config.width,
            latent_width=config.latent_width,
            depth=config.depth,
            latent_waves=config.latent_waves,
        )
        self.normaliser = Normaliser(nu, config.horizon)

    def encode(self, images: dict[str, Tensor], bfloat16: bool = False) -> list[Tensor]:
        """Return each camera's features.

        Args:
            images: By camera, values 0 to 255. Shapes (B, history, 3, height, width).
            bfloat16: Run convolutions in bfloat16.

        Returns:
            In the order of `camera_names`. Shapes (B, history, feature_size).
        """
        features = []
        for name, encoder in zip(self.camera_names, self.encoders, strict=True):
            picture = images[name]
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                seen = encoder(picture.flatten(0, 1))
            features.append(seen.float().reshape(*picture.shape[:2], -1))
        return features

    def generate(self, positions: Tensor, features: list[Tensor], latent: Tensor) -> Tensor:
        """Return normalised chunks.

        Args:
            positions: Raw, in [rad] and [m]. Shape (B, history, nu).
            features: Of each camera. Shapes (B, history, feature_size).
            latent: Shape (B, G, horizon, nu).

        Returns:
            Shape (B, G, horizon, nu).
        """
        seen = [self.normaliser.normalise_positions(positions), *features]
        observation = torch.cat([part.flatten(1) for part in seen], dim=1)
        chunks: Tensor = self.generator(observation, latent)
        return chunks

    def act(self, positions: Tensor, features: list[Tensor], latent: Tensor) -> Tensor:
        """Return absolute chunks in [rad] and [m]; arguments as in `generate`."""
        chunks = self.generate(positions, features, latent)
        return self.normaliser.absolute_actions(chunks, positions[:, -1:])


def pictures(images: Tensor) -> Tensor:
    """Return recorded pictures as the encoder takes them, unchanged.

    Args:
        images: uint8. Shape (B, history, height, width, 3).

    Returns:
        Shape (B, history, 3, height, width), float.
    """
    return images.permute(0, 1, 4, 2, 3).float()
