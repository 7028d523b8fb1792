"""Data of medium quality is recorded from a partially trained policy, once."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.rl.control import RecordingSize, medium_data
from dbp_ros.errors import DbpError

TASK, SEED = "Hopper-v5", 1
SHORT = RecordingSize(random_episodes=4, episodes=2, training_steps=1)


def test_a_partially_trained_policy_is_recorded_once(tmp_path: Path) -> None:
    first = medium_data(TASK, SEED, tmp_path, SHORT)
    assert first.episodes == 2
    assert np.abs(first.actions).max() <= 1
    assert len(np.unique(first.actions)) > len(first.actions)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("episode_*")}
    second = medium_data(TASK, SEED, tmp_path, SHORT)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("episode_*")} == written
    np.testing.assert_array_equal(second.states, first.states)
    np.testing.assert_array_equal(second.actions, first.actions)


def test_a_recording_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DbpError):
        medium_data(TASK, SEED, tmp_path, RecordingSize(random_episodes=0))
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
