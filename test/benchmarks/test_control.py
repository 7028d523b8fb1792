"""Medium-quality data is recorded once by a partially trained learner."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.rl import control
from benchmarks.rl.control import medium_data

TASK, SEED = "Hopper-v5", 1


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """One update from a few random episodes, and two episodes recorded."""
    monkeypatch.setattr(control, "RANDOM_EPISODES", 4)
    monkeypatch.setattr(control, "RECORDED_EPISODES", 2)
    monkeypatch.setattr(control, "MEDIUM_STEPS", 1)


def test_a_partially_trained_policy_is_recorded_once(
    short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = medium_data(TASK, SEED, tmp_path)
    assert first.episodes == 2
    assert np.abs(first.actions).max() <= 1
    assert len(np.unique(first.actions)) > len(first.actions)

    def again(*_: object) -> None:
        raise AssertionError("it was recorded again")

    monkeypatch.setattr(control, "_record", again)
    second = medium_data(TASK, SEED, tmp_path)
    np.testing.assert_array_equal(second.states, first.states)
    np.testing.assert_array_equal(second.actions, first.actions)


def test_an_interrupted_recording_leaves_no_folder(
    short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(control, "_record", interrupt)
    with pytest.raises(KeyboardInterrupt):
        medium_data(TASK, SEED, tmp_path)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
