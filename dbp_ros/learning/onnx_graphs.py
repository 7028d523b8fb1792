"""ONNX graphs of a trained policy: raw pixels in, radians and metres out."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.compose
import torch
from torch import Tensor, nn
from torch.nn import functional

from dbp_ros.learning.policy_network import PolicyNetwork

OPSET = 20


class EncoderGraph(nn.Module):
    """Encoder of one camera, for raw pixels of any size."""

    def __init__(self, encoder: nn.Module, height: int, width: int) -> None:
        """Wrap an encoder that was trained on images of this size."""
        super().__init__()
        self.encoder = encoder
        self.size = (height, width)

    def forward(self, image: Tensor) -> Tensor:
        """Return features of shape (1, feature_size) for rgb8 of shape (height, width, 3)."""
        pixels = image.permute(2, 0, 1)[None].float()
        resized = functional.interpolate(pixels, self.size, mode="bilinear", align_corners=False)
        features: Tensor = self.encoder(resized)
        return features


class CloudGraph(nn.Module):
    """Encoder of one raw point cloud."""

    def __init__(self, encoder: nn.Module) -> None:
        """Wrap an encoder."""
        super().__init__()
        self.encoder = encoder

    def forward(self, points: Tensor) -> Tensor:
        """Return features of shape (1, feature_size) for a cloud of shape (points, channels)."""
        features: Tensor = self.encoder(points[None])
        return features


class HeadGraph(nn.Module):
    """Head of a policy, run for each decision."""

    def __init__(self, policy: PolicyNetwork) -> None:
        """Wrap a policy."""
        super().__init__()
        self.policy = policy

    def forward(self, positions: Tensor, features: list[Tensor], latent: Tensor) -> Tensor:
        """Return absolute actions of shape (1, horizon, nu).

        Args:
            positions: Measured states, raw. Shape (1, history, ns).
            features: Of each sensor, in order. Shapes (1, history, feature_size).
            latent: Shape (1, horizon, nu).
        """
        named = dict(zip(self.policy.feature_sizes, features, strict=True))
        return self.policy.act(positions, named, latent[:, None])[:, 0]


def export_encoder(encoder: nn.Module, size: tuple[int, int], path: Path) -> None:
    """Write one camera's encoder, with input `image` and output `features`."""
    height, width = size
    # With the trained size as the example the exporter removes the resize.
    example = torch.zeros(height + 7, width + 9, 3, dtype=torch.uint8)
    axes = {0: torch.export.Dim("height", min=2), 1: torch.export.Dim("width", min=2)}
    graph = EncoderGraph(encoder, height, width)
    write_graph(graph, (example,), path, ["image"], ["features"], {"image": axes})


def export_cloud_encoder(encoder: nn.Module, size: tuple[int, int], path: Path) -> None:
    """Write the encoder of one point cloud, with input `points` and output `features`."""
    write_graph(CloudGraph(encoder), (torch.zeros(size),), path, ["points"], ["features"])


def export_head(policy: PolicyNetwork, path: Path) -> None:
    """Write the head: `positions`, `features.<sensor>`, `latent` in, `action` out.

    Multi-step methods are unrolled.
    """
    states = torch.zeros(1, policy.n_obs_steps, len(policy.shape.state_names))
    sizes = policy.feature_sizes
    features = [torch.zeros(1, policy.n_obs_steps, size) for size in sizes.values()]
    example = (states, features, torch.zeros(1, *policy.chunk_shape))
    inputs = ["positions", *(f"features.{name}" for name in sizes), "latent"]
    write_graph(HeadGraph(policy), example, path, inputs, ["action"])


def join_graphs(encoders: dict[str, Path], head: Path, path: Path) -> None:
    """Write encoders and head as one graph, for policies with one observation.

    Its inputs are `<sensor>.image` or `<sensor>.points`, `positions` and `latent`.
    """
    joined = onnx.load(head)
    for sensor, file in encoders.items():
        encoder = onnx.compose.add_prefix(onnx.load(file), f"{sensor}.")
        features, history = f"{sensor}.features", f"{sensor}.history"
        axis = onnx.numpy_helper.from_array(np.array([1], np.int64), f"{sensor}.axis")
        encoder.graph.initializer.append(axis)
        unsqueeze = onnx.helper.make_node("Unsqueeze", [features, axis.name], [history])
        encoder.graph.node.append(unsqueeze)
        shape = [1, 1, encoder.graph.output[0].type.tensor_type.shape.dim[1].dim_value]
        del encoder.graph.output[:]
        value = onnx.helper.make_tensor_value_info(history, onnx.TensorProto.FLOAT, shape)
        encoder.graph.output.append(value)
        joined = onnx.compose.merge_models(encoder, joined, [(history, f"features.{sensor}")])
    onnx.save(joined, path)


def write_graph(
    graph: nn.Module,
    example: tuple[Any, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    dynamic_shapes: dict[str, Any] | None = None,
    fold: bool = True,
) -> None:
    """Write a graph reproducibly: without the source lines and paths that the exporter adds.

    Args:
        graph: The module.
        example: Example inputs.
        path: The file.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        dynamic_shapes: Dynamic axes of the inputs.
        fold: Whether to fold constants; if False, parameters keep their names.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.onnx.export(
            graph.eval(),
            example,
            path,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=dynamic_shapes,
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            verbose=False,
            optimize=fold,
        )
    model = onnx.load(path)
    for item in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input):
        del item.metadata_props[:]
    onnx.save(model, path)
