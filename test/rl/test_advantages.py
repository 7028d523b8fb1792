"""Advantages of decisions of several steps, compared with their definition."""

import torch
from torch import Tensor

from dbp_ros.rl.advantages import AdvantageEstimate, episode_continues, estimate_advantages

GAMMA = 0.97


def process(times: int = 12, streams: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    steps = torch.randint(1, 5, (times, streams), generator=generator)
    terminated = torch.rand(times, streams, generator=generator) < 0.15
    truncated = ~terminated & (torch.rand(times, streams, generator=generator) < 0.15)
    return {
        "reward": torch.randn(times, streams, generator=generator, dtype=torch.float64),
        "value": torch.randn(times, streams, generator=generator, dtype=torch.float64),
        "successor_value": torch.randn(times, streams, generator=generator, dtype=torch.float64),
        "discount": GAMMA ** steps.double(),
        "terminated": terminated,
        "continues": episode_continues(terminated | truncated, torch.ones_like(terminated)),
    }


def by_definition(inputs: dict[str, Tensor], gae_lambda: float, time: int, stream: int) -> float:
    """Return an advantage as the sum of discounted TD errors."""
    advantage, weight = 0.0, 1.0
    while True:
        at = {name: values[time, stream].item() for name, values in inputs.items()}
        future = 0.0 if at["terminated"] else at["discount"] * at["successor_value"]
        advantage += weight * (at["reward"] + future - at["value"])
        if not at["continues"]:
            return advantage
        weight *= gae_lambda * at["discount"]
        time += 1


def estimated(inputs: dict[str, Tensor], gae_lambda: float) -> AdvantageEstimate:
    return estimate_advantages(**inputs, gae_lambda=gae_lambda)


def test_advantages_are_discounted_sums_of_td_errors() -> None:
    inputs = process()
    advantages = estimated(inputs, 0.9).advantages
    for time in range(12):
        for stream in range(3):
            assert abs(advantages[time, stream] - by_definition(inputs, 0.9, time, stream)) <= 1e-12


def test_lambda_zero_gives_the_one_step_td_error() -> None:
    inputs = process()
    future = torch.where(inputs["terminated"], 0.0, inputs["discount"] * inputs["successor_value"])
    expected = inputs["reward"] + future
    torch.testing.assert_close(estimated(inputs, 0.0).returns, expected, rtol=0, atol=1e-12)


def test_lambda_one_gives_the_observed_return() -> None:
    inputs = process()
    streams = inputs["reward"].shape[1]
    following, expected = (
        torch.zeros(streams, dtype=torch.float64),
        torch.zeros_like(inputs["reward"]),
    )
    # Within an episode the successor is the next observation.
    continues = inputs["continues"]
    inputs["successor_value"][:-1] = torch.where(
        continues[:-1], inputs["value"][1:], inputs["successor_value"][:-1]
    )
    for time in range(11, -1, -1):
        end = torch.where(inputs["terminated"][time], 0.0, inputs["successor_value"][time])
        following = inputs["reward"][time] + inputs["discount"][time] * torch.where(
            continues[time], following, end
        )
        expected[time] = following
    torch.testing.assert_close(estimated(inputs, 1.0).returns, expected, rtol=0, atol=1e-12)


def test_no_advantage_propagates_across_an_intervention() -> None:
    inputs = process()
    usable = torch.ones(12, 3, dtype=torch.bool)
    usable[5] = False
    ended = torch.zeros(12, 3, dtype=torch.bool)
    inputs["continues"] = episode_continues(ended, usable)
    before = estimated(inputs, 0.9).advantages[:5]
    inputs["reward"][5:] += 100.0
    torch.testing.assert_close(estimated(inputs, 0.9).advantages[:5], before, rtol=0, atol=0)
