"""The policy network: an encoder for each sensor, a method with its head, a normaliser."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from dbp_ros.drift.encoders import CentreCrop, KeypointEncoder, PointCloudEncoder, ResNetEncoder
from dbp_ros.learning.augmentation import cropped_size
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.end_effector_actions import EndEffectorNormaliser
from dbp_ros.learning.methods.registry import build_method
from dbp_ros.learning.normaliser import JointNormaliser, Normaliser
from dbp_ros.robots.arm_chain import ArmChain, arm_chains


@dataclass(frozen=True)
class PolicyShape:
    """Inputs and outputs of a policy.

    Attributes:
        state_names: Names of the measured states, in order.
        action_names: Names of the actions, in order.
        cameras: Image height and width of each camera.
        clouds: Points and channels of each point cloud.
        step_s: Time between two points of a chunk, in [s].
        arms: Chains of the arms whose end effectors the network controls; empty for joints.
    """

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    cameras: dict[str, tuple[int, int]]
    clouds: dict[str, tuple[int, int]]
    step_s: float
    arms: tuple[ArmChain, ...] = ()

    @classmethod
    def of(cls, data: Demonstrations, config: TrainConfig) -> "PolicyShape":
        """Return the shape of a policy for a data set.

        Raises:
            ConfigError: If actions are poses, and the URDF of the robot is missing or invalid.
        """
        cameras = {name: (image.shape[1], image.shape[2]) for name, image in data.images.items()}
        clouds = {name: (cloud.shape[1], cloud.shape[2]) for name, cloud in data.points.items()}
        has_poses = config.action_space == "end_effector" and data.robot
        arms = arm_chains(data.robot) if has_poses else ()
        return cls(data.state_names, data.action_names, cameras, clouds, data.step_s, arms)

    def normaliser(self, config: TrainConfig) -> Normaliser:
        """Return an identity normaliser for the action space of a configuration.

        Raises:
            TrainingError: If the actions are poses, and the robot is unknown.
        """
        if config.action_space == "joint":
            return JointNormaliser(len(self.state_names), len(self.action_names), config.horizon)
        return EndEffectorNormaliser(
            self.arms, self.state_names, self.action_names, config.horizon, config.relative_actions
        )


def image_encoder(config: TrainConfig, height: int, width: int) -> nn.Module:
    """Build the encoder of one camera, with the centre crop of the deployment.

    In training the augmentation crops first, so that the centre crop has no effect.
    """
    if config.encoder == "resnet":
        encoder: nn.Module = ResNetEncoder(width=config.resnet_width, feature_size=config.features)
    else:
        first, second, third, fourth = config.channels
        encoder = KeypointEncoder((first, second, third, fourth), config.keypoints)
    if config.crop == 1.0:
        return encoder
    size = cropped_size(config.crop, height), cropped_size(config.crop, width)
    cropped = nn.Sequential(CentreCrop(*size), encoder)
    cropped.feature_size = encoder.feature_size
    return cropped


class PolicyNetwork(nn.Module):
    """Network from images, point clouds, states and a latent to absolute actions."""

    def __init__(self, shape: PolicyShape, config: TrainConfig) -> None:
        """Build an untrained policy."""
        super().__init__()
        self.shape, self.n_obs_steps = shape, config.n_obs_steps
        self.encoders = nn.ModuleDict()
        for name, size in shape.cameras.items():
            self.encoders[_module_name(name)] = image_encoder(config, *size)
        for name, (_, channels) in shape.clouds.items():
            encoder = PointCloudEncoder(channels=channels, feature_size=config.features)
            self.encoders[_module_name(name)] = encoder
        self.normaliser = shape.normaliser(config)
        self.method = build_method(config, self.observation_size, self.normaliser.action_size)

    def encoder(self, sensor: str) -> nn.Module:
        """Return the encoder of a camera or a point cloud."""
        return self.encoders[_module_name(sensor)]

    def encoder_prefix(self, sensor: str) -> str:
        """Return the prefix of the names of an encoder's parameters."""
        return f"encoders.{_module_name(sensor)}."

    @property
    def feature_sizes(self) -> dict[str, int]:
        """Number of features of each sensor, in the order of the head's input."""
        sensors = (*self.shape.cameras, *self.shape.clouds)
        return {name: cast(int, self.encoder(name).feature_size) for name in sensors}

    @property
    def observation_size(self) -> int:
        """Size of the head's observation."""
        size = len(self.shape.state_names) + sum(self.feature_sizes.values())
        return self.n_obs_steps * size

    @property
    def chunk_shape(self) -> tuple[int, int]:
        """Shape of the latent and of a normalised chunk."""
        return self.method.head.horizon, self.method.head.actions

    def encode(
        self, images: dict[str, Tensor], points: dict[str, Tensor], bfloat16: bool = False
    ) -> dict[str, Tensor]:
        """Return each sensor's features.

        Args:
            images: By camera, values 0 to 255. Shapes (B, history, 3, height, width).
            points: By sensor. Shapes (B, history, points, channels).
            bfloat16: Run the encoders in bfloat16.

        Returns:
            Shapes (B, history, feature_size).
        """
        features = {}
        for name, value in (images | points).items():
            with torch.autocast(value.device.type, dtype=torch.bfloat16, enabled=bfloat16):
                feature = self.encoder(name)(value.flatten(0, 1))
            features[name] = feature.float().reshape(*value.shape[:2], -1)
        return features

    def observe(self, states: Tensor, features: dict[str, Tensor]) -> Tensor:
        """Return the head's observation.

        Args:
            states: Raw. Shape (B, history, ns).
            features: Of each sensor. Shapes (B, history, feature_size).

        Returns:
            Shape (B, observation).
        """
        parts = [self.normaliser.normalise_states(states)]
        parts += [features[name] for name in self.feature_sizes]
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def act(self, states: Tensor, features: dict[str, Tensor], latent: Tensor) -> Tensor:
        """Return absolute chunks.

        Args:
            states: Raw. Shape (B, history, ns).
            features: Of each sensor. Shapes (B, history, feature_size).
            latent: Standard normal. Shape (B, G, *chunk_shape).

        Returns:
            Shape (B, G, horizon, nu).
        """
        chunks = self.method(self.observe(states, features), latent)
        return self.normaliser.absolute_actions(chunks, states[:, -1:])


def _module_name(sensor: str) -> str:
    """Return a sensor's name without dots, which PyTorch does not allow in module names."""
    return sensor.replace(".", "/")


def image_tensor(images: Tensor) -> Tensor:
    """Return recorded images in the layout of the encoder.

    Args:
        images: uint8. Shape (B, history, height, width, 3).

    Returns:
        Shape (B, history, 3, height, width), float.
    """
    return images.permute(0, 1, 4, 2, 3).float()
