"""Inconsistent transitions are refused with the name of the field."""

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from sampled_transitions import CONFIG, policy, sampled_transitions

from dbp_ros.errors import TrainingError
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.transitions import Transitions


@pytest.fixture(scope="module")
def transitions() -> Transitions:
    return sampled_transitions(PPOLearner(policy(), CONFIG))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": torch.zeros(16)}, "reward is torch.float32 of shape (16,), expected"),
        ({"valid": torch.zeros(16, 8)}, "valid is torch.float32 of shape (16, 8), expected"),
        ({"executed": torch.zeros(16, 8).long()}, "executed is from 0 to 0, expected from 1 to"),
        ({"latent": torch.zeros(16, 8, 5, 2)}, "latent has shape (16, 8, 5, 2), expected"),
        ({"successor": torch.full((16, 8, 3), torch.nan)}, "successor is not finite"),
    ],
)
def test_inconsistent_tensors_are_refused_by_name(
    transitions: Transitions, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=re.escape(message)):
        replace(transitions, **changes)


def test_batches_of_the_same_streams_are_concatenated_in_time(transitions: Transitions) -> None:
    joined = Transitions.concatenate([transitions, transitions])
    assert len(joined) == 2 * len(transitions)
    assert torch.equal(joined.reward[16:], transitions.reward)
