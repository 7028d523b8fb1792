"""The method as a library: `drift_loss` in a plain loop preserves the modes."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dbp_ros.drift import (
    NoiseSkip,
    OneStepGenerator,
    TemperatureSchedule,
    drift_loss,
    nearest_neighbours,
)
from dbp_ros.drift.fields import conditional_drifting
from dbp_ros.drift.generator import components

NOISE = 0.02
Modes = Callable[[Tensor], Tensor]


def rotated(observation: Tensor) -> Tensor:
    """Return three chunks per observation, rotated and scaled by the observation."""
    angle = observation[:, :1] + torch.tensor([0.0, 2 * math.pi / 3, 4 * math.pi / 3])
    radius = 0.6 + 0.2 * observation[:, 1:]
    ends = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)
    return ends[:, :, None] * torch.linspace(0.25, 1.0, 4)[:, None]


def on_a_line(observation: Tensor) -> Tensor:
    """Return three chunks of one number per observation."""
    return (torch.tensor([-0.8, 0.0, 0.8]) + 0.1 * observation[:, :1])[:, :, None, None]


def between_and_shares(modes: Modes, shares: tuple[float, ...]) -> tuple[float, Tensor]:
    """Train in a plain loop; return the fractions between the modes and in each mode."""
    torch.manual_seed(0)
    count, steps = 5_000, 1_500
    schedule = TemperatureSchedule()
    observations = torch.rand(count, 2) * 2 - 1
    chosen = torch.multinomial(torch.tensor(shares), count, replacement=True)
    actions = modes(observations)[torch.arange(count), chosen]
    actions = actions + NOISE * torch.randn_like(actions)
    generator = OneStepGenerator.mlp(2, *actions.shape[1:], width=128)
    optimizer = torch.optim.Adam(generator.parameters(), 2e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        rows = torch.randint(count, (128,))
        samples = generator(observations[rows], generator.noise(128))
        loss = drift_loss(samples, actions[rows], temperatures=schedule(step / steps))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        decay.step()
    with torch.no_grad():
        samples = generator(observations[:1000], generator.noise(1000)).flatten(2)
        goals = modes(observations[:1000]).flatten(2)
        near, nearest = torch.cdist(samples, goals).min(-1)
        gap = (torch.cdist(goals, goals) + 1e9 * torch.eye(3)).amin((1, 2))
        between = (near > 0.2 * gap[:, None]).float().mean()
        found = torch.bincount(nearest.flatten(), minlength=3) / nearest.numel()
    return float(between), found


@pytest.mark.parametrize(
    ("modes", "shares"), [(rotated, (1 / 3, 1 / 3, 1 / 3)), (on_a_line, (0.2, 0.5, 0.3))]
)
def test_a_plain_loop_preserves_three_modes(modes: Modes, shares: tuple[float, ...]) -> None:
    between, found = between_and_shares(modes, shares)
    assert between <= 0.05
    assert (found - torch.tensor(shares)).abs().max() <= 0.08


def test_one_action_and_several_are_distinguished_by_their_axes() -> None:
    samples, actions = torch.randn(4, 8, 3, 2), torch.randn(4, 3, 2)
    assert drift_loss(samples, actions) == drift_loss(samples, actions[:, None])
    several = torch.stack([actions, actions + 9], dim=1)
    first = torch.tensor([[1.0, 0.0]] * 4)
    assert drift_loss(samples, several, weights=first) == pytest.approx(
        float(drift_loss(samples, actions)), rel=1e-5
    )


def test_the_gradient_is_along_the_field_and_the_actions_have_none() -> None:
    samples = torch.randn(4, 8, 3, 2, requires_grad=True)
    actions = torch.randn(4, 3, 2, requires_grad=True)
    drift_loss(samples, actions, temperatures=(0.1, 0.3)).backward()  # type: ignore[no-untyped-call]
    drift = conditional_drifting(
        samples.detach().flatten(2), actions.detach().flatten(1)[:, None], temperatures=(0.1, 0.3)
    )
    expected = -2 * drift.velocity / (samples.numel() * drift.scale)
    torch.testing.assert_close(samples.grad, expected.reshape(samples.shape))
    assert actions.grad is None


@pytest.mark.parametrize(
    ("samples", "actions", "weights", "reason"),
    [
        ((4, 8), (4,), None, r"expected samples of shape \(B, G, ...\), got \(4, 8\)"),
        ((4, 8, 3, 2), (4, 2, 3), None, r"expected actions of shape .* got \(4, 1, 2, 3\)"),
        ((4, 8, 3, 2), (5, 3, 2), None, r"got \(5, 1, 3, 2\)"),
        ((4, 8, 3, 2), (4, 3), None, r"got \(4, 3\)"),
        ((4, 8, 3, 2), (4, 5, 3, 2), (4, 1), r"expected weights of shape \(4, 5\), got \(4, 1\)"),
        ((4, 1, 3, 2), (4, 3, 2), None, "expected at least 2 generated samples, got 1"),
    ],
)
def test_mismatched_shapes_are_refused(
    samples: tuple[int, ...],
    actions: tuple[int, ...],
    weights: tuple[int, ...] | None,
    reason: str,
) -> None:
    given = None if weights is None else torch.ones(weights)
    with pytest.raises(ValueError, match=reason):
        drift_loss(torch.randn(samples), torch.randn(actions), weights=given)


def test_temperatures_are_annealed_geometrically_then_constant() -> None:
    schedule = TemperatureSchedule((0.1, 0.3), initial_scale=4.0, anneal_until=0.5)
    assert schedule(0.0) == pytest.approx((0.4, 1.2))
    assert schedule(0.25) == pytest.approx((0.2, 0.6))
    assert schedule(0.5) == schedule(1.0) == (0.1, 0.3)


def test_components_are_equally_probable_and_a_function_of_the_noise() -> None:
    noise = torch.randn(20_000, 1, 3, 2, generator=torch.Generator().manual_seed(0))
    found = components(noise, 8)
    assert (found.sum(-1) == 1).all()
    assert (found.mean((0, 1)) - 1 / 8).abs().max() <= 0.01
    extreme = torch.tensor([-1e3, 1e3])[:, None, None, None].expand(2, 1, 3, 2)
    assert components(extreme, 8).argmax(-1).flatten().tolist() == [0, 7]


def test_a_generator_wraps_any_network_and_starts_with_the_skip_std() -> None:
    size = OneStepGenerator.input_size(5, 3, 2, num_components=4)
    generator = OneStepGenerator(nn.Linear(size, 6), 3, 2, num_components=4)
    nn.init.zeros_(generator.network.weight)
    noise = generator.noise(7, 8)
    chunks = generator(torch.randn(7, 5), noise)
    assert chunks.shape == (7, 8, 3, 2)
    constant = chunks - 0.1 * noise
    torch.testing.assert_close(constant, constant[:1, :1].expand_as(constant))
    with pytest.raises(ValueError, match=r"expected noise of shape \(B, G, 3, 2\), got \(7, 6\)"):
        generator(torch.randn(7, 5), torch.randn(7, 6))


def test_a_noise_skip_connection_is_learned() -> None:
    skip, noise = NoiseSkip(3, 2, std=0.25), torch.randn(4, 8, 3, 2)
    torch.testing.assert_close(skip(noise), 0.25 * noise)
    assert [tuple(p.shape) for p in skip.parameters()] == [(3, 2)]


def test_an_observation_is_not_its_own_neighbour() -> None:
    found = nearest_neighbours(torch.tensor([[0.0], [1.0], [1.1], [5.0]]), 2)
    assert found.indices[0].tolist() == [1, 2]
    assert found.indices[1].tolist() == [2, 0]
    assert (found.weights[:, 0] >= found.weights[:, 1]).all()


def test_the_package_imports_only_torch_and_the_errors() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import dbp_ros.drift; "
        "print(*sorted(set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = {n for n in out.stdout.split() if not n.startswith(("torch.", "dbp_ros.drift"))}
    assert own <= {"dbp_ros", "dbp_ros.errors", *sys.stdlib_module_names}, own


def test_the_package_requires_only_a_minimum_version_of_torch(root: Path) -> None:
    assert '"torch>=2.4"' in (root / "setup.py").read_text(encoding="utf-8")
    assert "torch==" in (root / "constraints.txt").read_text(encoding="utf-8")
    assert "--constraint constraints.txt" in (root / "Makefile").read_text(encoding="utf-8")
