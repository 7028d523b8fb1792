"""Advantages of decisions of several steps, against the sums that they are defined by."""

import torch
from torch import Tensor

from dbp_ros.rl.advantages import AdvantageEstimate, estimate_advantages, flowing

GAMMA = 0.97


def process(times: int = 12, streams: int = 3) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(0)
    steps = torch.randint(1, 5, (times, streams), generator=chance)
    terminated = torch.rand(times, streams, generator=chance) < 0.15
    truncated = ~terminated & (torch.rand(times, streams, generator=chance) < 0.15)
    return {
        "reward": torch.randn(times, streams, generator=chance, dtype=torch.float64),
        "value": torch.randn(times, streams, generator=chance, dtype=torch.float64),
        "successor_value": torch.randn(times, streams, generator=chance, dtype=torch.float64),
        "span": GAMMA ** steps.double(),
        "terminated": terminated,
        "flows": flowing(terminated | truncated, torch.ones_like(terminated)),
    }


def by_definition(known: dict[str, Tensor], trace: float, time: int, stream: int) -> float:
    """Return an advantage as the sum of discounted errors up to where the credit ends."""
    advantage, weight = 0.0, 1.0
    while True:
        at = {name: values[time, stream].item() for name, values in known.items()}
        future = 0.0 if at["terminated"] else at["span"] * at["successor_value"]
        advantage += weight * (at["reward"] + future - at["value"])
        if not at["flows"]:
            return advantage
        weight *= trace * at["span"]
        time += 1


def estimated(known: dict[str, Tensor], trace: float) -> AdvantageEstimate:
    return estimate_advantages(**known, trace=trace)


def test_advantages_are_discounted_sums_of_errors() -> None:
    known = process()
    made = estimated(known, 0.9).advantages
    for time in range(12):
        for stream in range(3):
            assert abs(made[time, stream] - by_definition(known, 0.9, time, stream)) <= 1e-12


def test_lambda_zero_is_one_step_ahead() -> None:
    known = process()
    future = torch.where(known["terminated"], 0.0, known["span"] * known["successor_value"])
    expected = known["reward"] + future
    torch.testing.assert_close(estimated(known, 0.0).returns, expected, rtol=0, atol=1e-12)


def test_lambda_one_is_the_return_that_was_seen() -> None:
    known = process()
    streams = known["reward"].shape[1]
    later, expected = torch.zeros(streams, dtype=torch.float64), torch.zeros_like(known["reward"])
    # Where credit flows, the successor is what is decided from next.
    flows = known["flows"]
    known["successor_value"][:-1] = torch.where(
        flows[:-1], known["value"][1:], known["successor_value"][:-1]
    )
    for time in range(11, -1, -1):
        end = torch.where(known["terminated"][time], 0.0, known["successor_value"][time])
        later = known["reward"][time] + known["span"][time] * torch.where(flows[time], later, end)
        expected[time] = later
    torch.testing.assert_close(estimated(known, 1.0).returns, expected, rtol=0, atol=1e-12)


def test_no_credit_flows_back_over_what_somebody_else_did() -> None:
    known = process()
    usable = torch.ones(12, 3, dtype=torch.bool)
    usable[5] = False
    ended = torch.zeros(12, 3, dtype=torch.bool)
    known["flows"] = flowing(ended, usable)
    before = estimated(known, 0.9).advantages[:5]
    known["reward"][5:] += 100.0
    torch.testing.assert_close(estimated(known, 0.9).advantages[:5], before, rtol=0, atol=0)
