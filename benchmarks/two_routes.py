"""A choice that cannot be averaged: two routes round an obstacle, one demonstration each.

A condition `c` from -1 to 1; a chunk of 8 points `(t - 1/2, +-(1/2 + c/5) sin(pi t))` with noise;
the first route has a share of 0.7. The mean of the two routes goes through the obstacle.
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
FAR = 0.2
JUDGED, JUDGED_SAMPLES = 1_000, 8

ACTION_NAMES = tuple(f"point_{index}_{axis}" for index in range(POINTS) for axis in "xy")


@dataclass(frozen=True)
class Modes:
    """What a policy makes of the two routes.

    Attributes:
        share_mode_1: Share of the samples nearer to the first route; the data have 0.7.
        off_mode: Share of the samples farther from both than a fifth of their distance.
        within_mode_ratio: RMS distance to the route, of those that are on one, over the data's.
    """

    share_mode_1: float
    off_mode: float
    within_mode_ratio: float


def routes(condition: Floats) -> Floats:
    """Return both routes. Shape (n,) to (n, 2, POINTS, 2)."""
    t = (np.arange(POINTS) + 0.5) / POINTS
    height = (0.5 + 0.2 * condition)[:, None] * np.sin(np.pi * t)
    across = np.broadcast_to(t - 0.5, height.shape)
    ways = [np.stack([across, sign * height], axis=-1) for sign in (1.0, -1.0)]
    return np.stack(ways, axis=1).astype(np.float32)


def demonstrations(seed: int, count: int = DEMONSTRATIONS) -> Demonstrations:
    """Return demonstrations of one step each, whose chunk is one action of 16 numbers."""
    chance = np.random.default_rng(seed)
    condition = chance.uniform(-1, 1, count).astype(np.float32)
    way = (chance.random(count) >= FIRST_SHARE).astype(np.int64)
    chunks = routes(condition)[np.arange(count), way].reshape(count, -1)
    chunks += NOISE * chance.standard_normal(chunks.shape, dtype=np.float32)
    each = np.arange(count)
    return Demonstrations(
        state_names=("condition",),
        action_names=ACTION_NAMES,
        step_s=1.0,
        states=condition[:, None],
        actions=chunks,
        images={},
        points={},
        first=each,
        last=each,
        episode=each,
    )


@torch.no_grad()
def judge(policy: PolicyNetwork, seed: int) -> Modes:
    """Sample a policy at conditions it has not seen and compare with both routes."""
    chance = np.random.default_rng(seed + 1_000_000)
    condition = chance.uniform(-1, 1, JUDGED).astype(np.float32)
    latent = chance.standard_normal((JUDGED, JUDGED_SAMPLES, *policy.chunk_shape))
    states = torch.from_numpy(condition)[:, None, None]
    chunks = policy.act(states, {}, torch.from_numpy(latent.astype(np.float32)))
    return modes_of(chunks.flatten(2), torch.from_numpy(routes(condition)).flatten(2))


def modes_of(chunks: Tensor, ways: Tensor) -> Modes:
    """Return the modes of samples.

    Args:
        chunks: Shape (n, G, 16).
        ways: Both routes of each condition. Shape (n, 2, 16).
    """
    apart = torch.linalg.vector_norm(chunks[:, :, None] - ways[:, None], dim=-1)
    near, way = apart.min(-1)
    gap = torch.linalg.vector_norm(ways[:, 0] - ways[:, 1], dim=-1)[:, None]
    off = near > FAR * gap
    inside = near[~off]
    spread = float((inside.square().mean() / chunks.shape[2]).sqrt()) if len(inside) else np.nan
    return Modes(
        share_mode_1=float((way == 0).float().mean()),
        off_mode=float(off.float().mean()),
        within_mode_ratio=spread / NOISE,
    )
