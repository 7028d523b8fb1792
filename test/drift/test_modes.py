"""Mode coverage of fields on a bimodal toy."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dbp_ros.drift.fields import Drift, conditional_drifting, drifting
from dbp_ros.drift.losses import scaled_loss

FIRST_SHARE = 0.7
UPDATES = 500


def demonstrations(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return observations and one of two chunks of 8 numbers for each."""
    observation = torch.rand(count, 1, generator=generator) * 2 - 1
    side = (torch.rand(count, 1, generator=generator) < FIRST_SHARE).float() * 2 - 1
    shape = torch.sin(torch.linspace(0.3, 2.8, 8))
    noise = 0.02 * torch.randn(count, 8, generator=generator)
    return observation, side * (0.5 + 0.2 * observation) * shape + noise


def share_and_between(
    field: Callable[[Tensor, Tensor], Drift], skip_std: float
) -> tuple[float, float]:
    """Train a small generator; return the fractions in the first mode and between modes."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(
        nn.Linear(9, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 8)
    )

    def generate(observation: Tensor) -> Tensor:
        latent = torch.randn(len(observation), 8, 8, generator=generator)
        observations = observation[:, None].expand(-1, 8, -1)
        chunk: Tensor = net(torch.cat([observations, latent], dim=2))
        return skip_std * latent + chunk

    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES)
    for _ in range(UPDATES):
        observation, demonstrated = demonstrations(128, generator)
        samples = generate(observation)
        loss = scaled_loss(samples, field(samples.detach(), demonstrated[:, None])).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        observation, _ = demonstrations(500, generator)
        middle = generate(observation)[:, :, 3:5].mean(2) / (0.5 + 0.2 * observation)
    return float((middle > 0).float().mean()), float((middle.abs() < 0.5).float().mean())


def regression(generated: Tensor, positives: Tensor) -> Drift:
    """Attract every sample to the demonstration: regression to the mean."""
    return Drift(positives - generated, torch.ones(1, 1, 1), torch.ones(1))


def test_regression_averages_the_modes() -> None:
    assert share_and_between(regression, skip_std=0.5)[1] >= 0.9


def test_the_published_field_without_a_noise_skip_collapses_to_one_mode() -> None:
    share, between = share_and_between(drifting, skip_std=0.0)
    assert share >= 0.98
    assert between <= 0.1


def test_the_conditional_field_with_a_noise_skip_preserves_both_modes() -> None:
    share, between = share_and_between(conditional_drifting, skip_std=0.5)
    assert 0.55 <= share <= 0.85
    assert between <= 0.25
