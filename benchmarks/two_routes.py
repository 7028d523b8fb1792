"""Bimodal toy task: two routes around an obstacle, one demonstration per observation.

The observation is a scalar `c` in [-1, 1]. A chunk is 8 points `(t - 1/2, +-(1/2 + c/5) sin(pi t))`
with noise; 70 % of the demonstrations take the first route. The mean of both routes collides.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.types import Floats

POINTS = 8
FIRST_SHARE = 0.7
NOISE = 0.02
DEMONSTRATIONS = 5_000
OFF_ROUTE = 0.2
EVALUATED, EVALUATED_SAMPLES = 1_000, 8

ACTION_NAMES = tuple(f"point_{index}_{axis}" for index in range(POINTS) for axis in "xy")


@dataclass(frozen=True)
class ModeCoverage:
    """Coverage of the two modes by the samples of a policy.

    Attributes:
        share_mode_1: Fraction of samples nearer to the first route; 0.7 in the data.
        off_mode: Fraction of samples farther from both routes than 0.2 of their distance.
        within_mode_ratio: RMS distance to the nearer route of on-route samples, relative to the
            data's.
    """

    share_mode_1: float
    off_mode: float
    within_mode_ratio: float


def routes(condition: Floats) -> Floats:
    """Return both routes. Shape (n,) to (n, 2, POINTS, 2)."""
    t = (np.arange(POINTS) + 0.5) / POINTS
    height = (0.5 + 0.2 * condition)[:, None] * np.sin(np.pi * t)
    across = np.broadcast_to(t - 0.5, height.shape)
    both = [np.stack([across, sign * height], axis=-1) for sign in (1.0, -1.0)]
    return np.stack(both, axis=1).astype(np.float32)


def demonstrations(seed: int, count: int = DEMONSTRATIONS) -> Demonstrations:
    """Return one-step demonstrations whose action holds the 16 coordinates of a route."""
    generator = np.random.default_rng(seed)
    condition = generator.uniform(-1, 1, count).astype(np.float32)
    route = (generator.random(count) >= FIRST_SHARE).astype(np.int64)
    chunks = routes(condition)[np.arange(count), route].reshape(count, -1)
    chunks += NOISE * generator.standard_normal(chunks.shape, dtype=np.float32)
    rows = np.arange(count)
    return Demonstrations(
        state_names=("condition",),
        action_names=ACTION_NAMES,
        step_s=1.0,
        states=condition[:, None],
        actions=chunks,
        images={},
        points={},
        first=rows,
        last=rows,
        episode=rows,
    )


@torch.no_grad()
def evaluate_modes(policy: PolicyNetwork, seed: int) -> ModeCoverage:
    """Return the mode coverage of a policy at held-out observations."""
    generator = np.random.default_rng(seed + 1_000_000)
    condition = generator.uniform(-1, 1, EVALUATED).astype(np.float32)
    latent = generator.standard_normal((EVALUATED, EVALUATED_SAMPLES, *policy.chunk_shape))
    states = torch.from_numpy(condition)[:, None, None]
    chunks = policy.act(states, {}, torch.from_numpy(latent.astype(np.float32)))
    return mode_coverage(chunks.flatten(2), torch.from_numpy(routes(condition)).flatten(2))


def mode_coverage(chunks: Tensor, both: Tensor) -> ModeCoverage:
    """Return the mode coverage of samples.

    Args:
        chunks: Shape (n, G, 16).
        both: Both routes of each observation. Shape (n, 2, 16).
    """
    distance = torch.linalg.vector_norm(chunks[:, :, None] - both[:, None], dim=-1)
    nearest, route = distance.min(-1)
    separation = torch.linalg.vector_norm(both[:, 0] - both[:, 1], dim=-1)[:, None]
    off = nearest > OFF_ROUTE * separation
    on_route = nearest[~off]
    rms = float((on_route.square().mean() / chunks.shape[2]).sqrt()) if len(on_route) else np.nan
    return ModeCoverage(
        share_mode_1=float((route == 0).float().mean()),
        off_mode=float(off.float().mean()),
        within_mode_ratio=rms / NOISE,
    )
