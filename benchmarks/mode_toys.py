"""Toy tasks with several routes around an obstacle, one demonstration per observation.

The observation is a scalar `c` in [-1, 1], or an image of the obstacle, whose radius shows `c`. A
chunk is 8 points `(t - 1/2, s (1/2 + c/5) sin(pi t))` with noise, where `s` is the side of a route.
The mean of the routes collides.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.policy_network import PolicyNetwork, image_tensor
from dbp_ros.types import Floats, Image

POINTS = 8
NOISE = 0.02
DEMONSTRATIONS = 5_000
OFF_ROUTE = 0.2
EVALUATED, EVALUATED_SAMPLES = 1_000, 8

ACTION_NAMES = tuple(f"point_{index}_{axis}" for index in range(POINTS) for axis in "xy")
CAMERA = "camera"
IMAGE_PX = 32
# Brightness and noise of the images, which carry no information.
BRIGHTNESS, PIXEL_NOISE = (0.7, 1.0), 4.0
GROUND, OBSTACLE = (200.0, 190.0, 170.0), (60.0, 90.0, 150.0)


@dataclass(frozen=True)
class ModesToy:
    """A toy task.

    Attributes:
        name: Name in tables and on the command line.
        sides: Side `s` of each route.
        shares: Share of the demonstrations on each route.
        images: Whether the observation is an image.
    """

    name: str
    sides: tuple[float, ...]
    shares: tuple[float, ...]
    images: bool = False

    def routes(self, condition: Floats) -> Floats:
        """Return all routes. Shape (n,) to (n, routes, POINTS, 2)."""
        t = (np.arange(POINTS) + 0.5) / POINTS
        height = (0.5 + 0.2 * condition)[:, None] * np.sin(np.pi * t)
        across = np.broadcast_to(t - 0.5, height.shape)
        every = [np.stack([across, side * height], axis=-1) for side in self.sides]
        return np.stack(every, axis=1).astype(np.float32)

    def demonstrations(self, seed: int, count: int = DEMONSTRATIONS) -> Demonstrations:
        """Return one-step demonstrations whose action holds the 16 coordinates of a route."""
        rng = np.random.default_rng(seed)
        condition = rng.uniform(-1, 1, count).astype(np.float32)
        route = np.searchsorted(np.cumsum(self.shares)[:-1], rng.random(count), side="right")
        chunks = self.routes(condition)[np.arange(count), route].reshape(count, -1)
        chunks += NOISE * rng.standard_normal(chunks.shape, dtype=np.float32)
        rows = np.arange(count)
        return Demonstrations(
            state_names=("condition",),
            action_names=ACTION_NAMES,
            step_s=1.0,
            states=self._states(condition),
            actions=chunks,
            images={CAMERA: draw(condition, rng)} if self.images else {},
            points={},
            first=rows,
            last=rows,
            episode=rows,
            by_policy=np.zeros(len(rows), bool),
        )

    def _states(self, condition: Floats) -> Floats:
        """Return the observed states, which are constant if an image shows the condition."""
        return (np.zeros_like(condition) if self.images else condition)[:, None]

    @torch.no_grad()
    def evaluate(self, policy: PolicyNetwork, seed: int) -> "ModeCoverage":
        """Return the mode coverage of a policy at held-out observations."""
        rng = np.random.default_rng(seed + 1_000_000)
        condition = rng.uniform(-1, 1, EVALUATED).astype(np.float32)
        latent = rng.standard_normal((EVALUATED, EVALUATED_SAMPLES, *policy.chunk_shape))
        features: dict[str, Tensor] = {}
        if self.images:
            images = torch.from_numpy(draw(condition, rng))[:, None]
            features = policy.encode({CAMERA: image_tensor(images)}, {})
        states = torch.from_numpy(self._states(condition))[:, None]
        chunks = policy.act(states, features, torch.from_numpy(latent.astype(np.float32)))
        routes = torch.from_numpy(self.routes(condition)).flatten(2)
        return mode_coverage(chunks.flatten(2), routes, self.shares)


TOYS = {
    toy.name: toy
    for toy in (
        ModesToy("two_routes", (1.0, -1.0), (0.7, 0.3)),
        ModesToy("three_routes", (2.0, 0.0, -2.0), (0.5, 0.3, 0.2)),
        ModesToy("two_routes_images", (1.0, -1.0), (0.7, 0.3), images=True),
        ModesToy("three_routes_images", (2.0, 0.0, -2.0), (0.5, 0.3, 0.2), images=True),
    )
}


def draw(condition: Floats, rng: np.random.Generator) -> Image:
    """Return an image of the obstacle for each condition. Shape (n, IMAGE_PX, IMAGE_PX, 3)."""
    axis = (np.arange(IMAGE_PX) + 0.5) / IMAGE_PX - 0.5
    distance = np.hypot(axis[:, None], axis[None, :])
    radius = 0.25 + 0.15 * condition[:, None, None]
    # The edge is one pixel wide.
    inside = np.clip(0.5 + (radius - distance) * IMAGE_PX, 0.0, 1.0)[..., None]
    colours = inside * np.array(OBSTACLE) + (1.0 - inside) * np.array(GROUND)
    colours *= rng.uniform(*BRIGHTNESS, (len(condition), 1, 1, 1))
    colours += PIXEL_NOISE * rng.standard_normal(colours.shape)
    images: NDArray[np.uint8] = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    return images


@dataclass(frozen=True)
class ModeCoverage:
    """Coverage of the modes by the samples of a policy.

    Attributes:
        share_mode_1: Fraction of samples nearest to the first route.
        share_error: Largest difference of such a fraction from that of the demonstrations.
        off_mode: Fraction of samples farther from every route than 0.2 of the smallest distance
            between two routes.
        within_mode_ratio: RMS distance to the nearest route of on-route samples, relative to the
            data's.
    """

    share_mode_1: float
    share_error: float
    off_mode: float
    within_mode_ratio: float


def mode_coverage(chunks: Tensor, routes: Tensor, shares: tuple[float, ...]) -> ModeCoverage:
    """Return the mode coverage of samples.

    Args:
        chunks: Shape (n, G, 16).
        routes: All routes of each observation. Shape (n, routes, 16).
        shares: Share of each route in the demonstrations.
    """
    distance = torch.linalg.vector_norm(chunks[:, :, None] - routes[:, None], dim=-1)
    nearest, route = distance.min(-1)
    off = nearest > OFF_ROUTE * smallest_distance(routes)[:, None]
    on_route = nearest[~off]
    rms = float((on_route.square().mean() / chunks.shape[2]).sqrt()) if len(on_route) else np.nan
    found = torch.bincount(route.flatten(), minlength=len(shares)) / route.numel()
    return ModeCoverage(
        share_mode_1=float(found[0]),
        share_error=float((found - torch.tensor(shares)).abs().max()),
        off_mode=float(off.float().mean()),
        within_mode_ratio=rms / NOISE,
    )


def smallest_distance(routes: Tensor) -> Tensor:
    """Return the smallest distance between two routes of an observation. Shape (n,)."""
    distance = torch.cdist(routes, routes)
    count = routes.shape[1]
    return distance.masked_fill(torch.eye(count, dtype=torch.bool), torch.inf).flatten(1).amin(1)
