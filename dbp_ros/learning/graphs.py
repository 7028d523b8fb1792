"""A trained policy as the graphs that are deployed: raw pixels in, radians and metres out."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from dbp_ros.learning.policy import Policy

OPSET = 20


class EncoderGraph(nn.Module):
    """One camera's encoder, from raw pixels of any size."""

    def __init__(self, encoder: nn.Module, height: int, width: int) -> None:
        """Wrap an encoder that was trained on pictures of this size."""
        super().__init__()
        self.encoder = encoder
        self.size = (height, width)

    def forward(self, image: Tensor) -> Tensor:
        """Return features of shape (1, feature_size) for rgb8 of shape (height, width, 3)."""
        pixels = image.permute(2, 0, 1)[None].float()
        resized = functional.interpolate(pixels, self.size, mode="bilinear", align_corners=False)
        features: Tensor = self.encoder(resized)
        return features


class HeadGraph(nn.Module):
    """All that is run for each decision."""

    def __init__(self, policy: Policy) -> None:
        """Wrap a policy."""
        super().__init__()
        self.policy = policy

    def forward(self, positions: Tensor, features: list[Tensor], latent: Tensor) -> Tensor:
        """Return absolute actions of shape (1, horizon, nu).

        Args:
            positions: Raw, in [rad] and [m]. Shape (1, history, nu).
            features: Of each camera. Shapes (1, history, feature_size).
            latent: Shape (1, horizon, nu).
        """
        return self.policy.act(positions, features, latent[:, None])[:, 0]


def export_encoder(encoder: nn.Module, size: tuple[int, int], path: Path) -> None:
    """Write one camera's encoder, with input `image` and output `features`."""
    height, width = size
    # An odd example size that differs from the trained one: with equal sizes the exporter would
    # drop the resize and bake the size in.
    example = torch.zeros(height + 7, width + 9, 3, dtype=torch.uint8)
    axes = {0: torch.export.Dim("height", min=2), 1: torch.export.Dim("width", min=2)}
    torch.onnx.export(
        EncoderGraph(encoder, height, width).eval(),
        (example,),
        path,
        input_names=["image"],
        output_names=["features"],
        dynamic_shapes={"image": axes},
        dynamo=True,
        external_data=False,
        opset_version=OPSET,
        verbose=False,
    )


def export_head(policy: Policy, path: Path) -> None:
    """Write the head: `positions`, `features.<camera>`, `latent` in, `action` out."""
    horizon, nu = policy.generator.horizon, policy.generator.joints
    features = [torch.zeros(1, policy.history, policy.feature_size) for _ in policy.camera_names]
    torch.onnx.export(
        HeadGraph(policy).eval(),
        (torch.zeros(1, policy.history, nu), features, torch.zeros(1, horizon, nu)),
        path,
        input_names=[
            "positions",
            *(f"features.{camera}" for camera in policy.camera_names),
            "latent",
        ],
        output_names=["action"],
        dynamo=True,
        external_data=False,
        opset_version=OPSET,
        verbose=False,
    )
