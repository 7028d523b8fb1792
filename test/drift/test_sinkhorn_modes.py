"""Mode coverage of the Sinkhorn fields with one demonstration per observation."""

import torch
from torch import Tensor, nn

from dbp_ros.drift.losses import scaled_loss
from dbp_ros.drift.sinkhorn import joint_sinkhorn_drifting, sinkhorn_drifting


def demonstrations(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return observations and one of two chunks of 8 numbers for each, 70 % the first."""
    observation = torch.rand(count, 1, generator=generator) * 2 - 1
    side = (torch.rand(count, 1, generator=generator) < 0.7).float() * 2 - 1
    shape = torch.sin(torch.linspace(0.3, 2.8, 8))
    noise = 0.02 * torch.randn(count, 8, generator=generator)
    return observation, side * (0.5 + 0.2 * observation) * shape + noise


def share_and_between(seed: int, updates: int, field: str) -> tuple[float, float]:
    """Train a small generator; return the fractions in the first mode and between modes."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(9, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU())
    net.append(nn.Linear(128, 8))

    def generate(observation: Tensor) -> Tensor:
        observations = observation[:, None].expand(-1, 4, -1)
        chunk: Tensor = net(
            torch.cat([observations, torch.randn(*observations.shape[:2], 8)], dim=2)
        )
        return chunk

    optimizer = torch.optim.AdamW(net.parameters(), 8e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    for _ in range(updates):
        observation, demonstrated = demonstrations(64, generator)
        samples, second = generate(observation), generate(observation).detach()
        if field == "joint":
            drift = joint_sinkhorn_drifting(samples.detach(), demonstrated, second, observation)
        else:
            drift = sinkhorn_drifting(samples.detach(), demonstrated[:, None], second)
        optimizer.zero_grad()
        scaled_loss(samples, drift).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        observation, _ = demonstrations(500, generator)
        middle = generate(observation)[:, :, 3:5].mean(2) / (0.5 + 0.2 * observation)
    return float((middle > 0).float().mean()), float((middle.abs() < 0.5).float().mean())


def test_the_joint_field_preserves_both_modes_with_one_demonstration_per_observation() -> None:
    share, between = share_and_between(0, 400, "joint")
    assert 0.55 <= share <= 0.85
    assert between <= 0.25


def test_a_separate_transport_of_one_demonstration_converges_between_the_modes() -> None:
    assert share_and_between(0, 300, "separate")[1] >= 0.9
