"""A weak policy is not replaced by an earlier one with other numbers."""

from pathlib import Path

import pytest

from dbp_ros.data.episode import episode_path
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.weak_policy import WeakPolicy
from dbp_ros.learning.checkpoint import Checkpoint, write_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.policy_network import PolicyShape

SHAPE = PolicyShape(("x",), ("u",), {}, {}, 0.2)


def recorded(folder: Path, count: int) -> Path:
    """Return a folder with the files of episodes."""
    folder.mkdir()
    for number in range(count):
        episode_path(folder, number).touch()
    return folder


@pytest.mark.parametrize(("demonstrations", "updates"), [(4, 800), (16, 800), (8, 100)])
def test_an_earlier_weak_policy_with_other_numbers_is_refused(
    tmp_path: Path, demonstrations: int, updates: int
) -> None:
    data, run = recorded(tmp_path / "data", 8), tmp_path / "weak"
    trained = Checkpoint(TrainConfig(num_steps=800), SHAPE, {"dataset": {"episodes": 8}}, {})
    write_checkpoint(run, trained)
    given = WeakPolicy(demonstrations=demonstrations, updates=updates)
    problem = f"8 demonstrations and 800 updates, expected {demonstrations} and {updates}: give"
    with pytest.raises(ConfigError, match=problem):
        given.train(data, run, print)
    WeakPolicy(demonstrations=8, updates=800).train(data, run, print)


def test_more_demonstrations_than_given_are_refused(tmp_path: Path) -> None:
    data = recorded(tmp_path / "data", 3)
    with pytest.raises(ConfigError, match="is of 3 demonstrations and 800 updates, expected 2"):
        WeakPolicy(demonstrations=2).train(data, tmp_path / "weak", print)
