"""The scale of the rewards converges."""

import pytest
import torch

from dbp_ros.rl.reward_scaler import RewardScaler

ALL = torch.ones(20, 4, dtype=torch.bool)
DISCOUNT, ENDED = torch.full((20, 4), 0.95), (torch.arange(80) % 10 == 9).reshape(4, 20).T


def test_the_scale_is_the_standard_deviation_of_the_return_over_the_whole_run() -> None:
    generator, scaler = torch.Generator().manual_seed(0), RewardScaler(clip=1e9)
    returns, running = [], torch.zeros(4, dtype=torch.float64)
    for _ in range(3):
        reward = torch.randn(20, 4, generator=generator)
        scaled = scaler(reward, DISCOUNT, ENDED, ALL)
        for row, ended in zip(reward.double(), ENDED, strict=True):
            running = DISCOUNT[0].double() * running + row
            returns.append(running)
            running = torch.where(ended, 0.0, running)
        expected = float(torch.stack(returns).std(correction=0))
        assert scaler.scale == pytest.approx(expected, rel=1e-6)
        torch.testing.assert_close(scaled, reward / expected)


def test_the_scale_of_a_constant_reward_converges() -> None:
    scaler, scales = RewardScaler(clip=1e9), []
    for _ in range(20):
        scaler(torch.ones(20, 4), DISCOUNT, ENDED, ALL)
        scales.append(scaler.scale)
    assert scales[-1] == pytest.approx(scales[-2], rel=1e-3)
    assert scales[-1] == pytest.approx(scales[0], rel=0.05)


def test_rewards_are_clipped_and_never_shifted() -> None:
    scaler = RewardScaler(clip=2.0)
    reward = torch.zeros(20, 4)
    reward[3] = 1e6
    scaled = scaler(reward, DISCOUNT, ENDED, ALL)
    assert scaled.max() == 2.0
    assert (scaled[:3] == 0.0).all()


def test_rewards_are_unscaled_until_returns_differ() -> None:
    reward = torch.zeros(20, 4)
    assert torch.equal(RewardScaler(clip=10.0)(reward, DISCOUNT, ENDED, ALL), reward)


def test_masked_decisions_are_no_returns() -> None:
    generator = torch.Generator().manual_seed(1)
    reward, valid = torch.randn(20, 4, generator=generator), ALL.clone()
    valid[5:15] = False
    masked, parts = RewardScaler(clip=1e9), RewardScaler(clip=1e9)
    masked(reward, DISCOUNT, ENDED, valid)
    ends = ENDED.clone()
    ends[4] = True
    for rows in (slice(0, 5), slice(15, 20)):
        parts(reward[rows], DISCOUNT[rows], ends[rows], valid[rows])
    assert masked.scale == pytest.approx(parts.scale, rel=1e-9)
    assert torch.equal(masked.scaled(torch.ones(1)), torch.ones(1) / masked.scale)
