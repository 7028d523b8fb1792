"""The unit of rewards comes to rest."""

import pytest
import torch

from dbp_ros.rl.reward_scaler import RewardScaler

SPAN, ENDED = torch.full((20, 4), 0.95), (torch.arange(80) % 10 == 9).reshape(4, 20).T


def test_the_scale_is_the_deviation_of_the_discounted_return_over_the_whole_run() -> None:
    chance, scaler = torch.Generator().manual_seed(0), RewardScaler(clip=1e9)
    seen, running = [], torch.zeros(4, dtype=torch.float64)
    for _ in range(3):
        reward = torch.randn(20, 4, generator=chance)
        scaled = scaler(reward, SPAN, ENDED)
        for paid, over in zip(reward.double(), ENDED, strict=True):
            running = SPAN[0].double() * running + paid
            seen.append(running)
            running = torch.where(over, 0.0, running)
        expected = float(torch.stack(seen).std(correction=0))
        assert scaler.scale == pytest.approx(expected, rel=1e-6)
        torch.testing.assert_close(scaled, reward / expected)


def test_the_scale_of_a_constant_reward_comes_to_rest() -> None:
    scaler, scales = RewardScaler(clip=1e9), []
    for _ in range(20):
        scaler(torch.ones(20, 4), SPAN, ENDED)
        scales.append(scaler.scale)
    assert scales[-1] == pytest.approx(scales[-2], rel=1e-3)
    assert scales[-1] == pytest.approx(scales[0], rel=0.05)


def test_rewards_are_clipped_and_never_shifted() -> None:
    scaler = RewardScaler(clip=2.0)
    reward = torch.zeros(20, 4)
    reward[3] = 1e6
    scaled = scaler(reward, SPAN, ENDED)
    assert scaled.max() == 2.0
    assert (scaled[:3] == 0.0).all()


def test_before_returns_differ_rewards_stay_as_they_are() -> None:
    reward = torch.zeros(20, 4)
    assert torch.equal(RewardScaler(clip=10.0)(reward, SPAN, ENDED), reward)
