"""Comparison of an exported graph with PyTorch."""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort
import torch
from torch import Tensor

from dbp_ros.errors import TrainingError

LARGEST_DIFFERENCE = 1e-4


def example_observation(
    state_dim: int, cameras: Mapping[str, tuple[int, int]], leading: tuple[int, ...] = (1,)
) -> tuple[Tensor, list[Tensor]]:
    """Return reproducible positions and images from 0 to 1, with some first axes."""
    generator = torch.Generator().manual_seed(0)
    state = torch.rand((*leading, state_dim), generator=generator)
    images = [torch.rand((*leading, 3, *size), generator=generator) for size in cameras.values()]
    return state, images


def require_parity(path: Path, given: Mapping[str, Tensor], expected: Tensor) -> float:
    """Return the largest difference between the first output of a graph and PyTorch.

    Raises:
        TrainingError: If it is too large.
    """
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {name: tensor.numpy() for name, tensor in given.items()})[0]
    expected = expected.detach()
    difference = float((torch.from_numpy(found) - expected).abs().max())
    largest = LARGEST_DIFFERENCE * max(1.0, float(expected.abs().max()))
    if not difference <= largest:
        raise TrainingError(
            f"the graph differs from PyTorch by {difference:.2g}, expected at most {largest:.2g}: "
            "report the version of PyTorch"
        )
    return difference
