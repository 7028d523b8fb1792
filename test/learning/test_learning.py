"""Data set, normaliser and training on a toy data set."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_episodes import JOINTS, episode
from toy_training import CONFIG

from dbp_ros.data.episode import episode_path, write_episode
from dbp_ros.data.units import BY_NAME
from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations, load_demonstrations
from dbp_ros.learning.learning_rate import learning_rate
from dbp_ros.learning.normaliser import (
    JointNormaliser,
    Normaliser,
    SmallestRanges,
    relative_columns,
)
from dbp_ros.learning.trainer import Trainer
from dbp_ros.learning.training_data import split_by_episode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(5):
        write_episode(episode_path(tmp_path / "data", index), episode(index))
    return tmp_path / "data"


@pytest.fixture
def data(folder: Path) -> Demonstrations:
    return load_demonstrations(folder)


def test_a_chunk_repeats_the_last_action_of_its_episode(data: Demonstrations) -> None:
    batch = data.batch(np.array([7]), horizon=4)
    first = data.actions[7:9]
    np.testing.assert_array_equal(batch.actions[0, 0], [first[0], first[1], first[1], first[1]])


def test_a_late_frame_is_one_step_old_and_of_the_same_episode(data: Demonstrations) -> None:
    rows = np.array([3, 9])
    lags = {"head": np.array([1, 1]), "wrist": np.array([0, 0])}
    batch = data.batch(rows, 4, camera_lags=lags)
    np.testing.assert_array_equal(batch.images["head"][:, 0], data.images["head"][[2, 9]])
    np.testing.assert_array_equal(batch.images["wrist"][:, 0], data.images["wrist"][rows])


def test_the_history_is_padded_with_the_first_step(data: Demonstrations) -> None:
    batch = data.batch(np.array([10]), 4, n_obs_steps=3)
    np.testing.assert_array_equal(batch.states[0], data.states[[9, 9, 10]])


def test_no_episode_is_in_both_splits(data: Demonstrations) -> None:
    training, held_out = split_by_episode(data, 0.4, seed=0)
    assert not set(data.episode[training]) & set(data.episode[held_out])
    assert len(training) + len(held_out) == len(data.states)
    assert len(set(data.episode[held_out])) == 2


def test_the_normaliser_is_fitted_on_training_episodes_only(folder: Path, tmp_path: Path) -> None:
    held_out = split_by_episode(load_demonstrations(folder), 0.2, CONFIG.seed)[1]
    index = int(load_demonstrations(folder).episode[held_out[0]])
    outlier = episode(0, states=np.full((9, 3), 9, np.float32) * np.array([1, 1, 0.02], np.float32))
    write_episode(episode_path(folder, index), outlier)
    trainer = Trainer(CONFIG, load_demonstrations(folder), tmp_path / "run")
    highest = trainer.policy.normaliser.state_centre + trainer.policy.normaliser.state_half_range
    assert highest.max() < 2


def fitted(data: Demonstrations, relative: bool = True) -> Normaliser:
    """Return a normaliser of chunks of 5 points."""
    floors = SmallestRanges(rad=0.02, m=0.002, other=0.01).each(map(BY_NAME.of, JOINTS))
    found = JointNormaliser(len(JOINTS), len(JOINTS), 5)
    found.relative_to.copy_(torch.from_numpy(relative_columns(JOINTS, JOINTS, relative)))
    found.fit(data.states, data.chunks(np.arange(len(data.states)), 5), floors, floors)
    return found


def test_a_constant_action_is_refused_by_name(data: Demonstrations, tmp_path: Path) -> None:
    assert data.constant_actions() == ("left_idle_joint", "left_gripper_joint")
    with pytest.raises(
        TrainingError, match="constant in all 5 episodes: left_idle_joint, left_gripper_joint"
    ):
        Trainer(replace(CONFIG, allow_constant_actions=False), data, tmp_path)


def test_the_normalised_values_of_an_idle_joint_are_finite(data: Demonstrations) -> None:
    scales = fitted(data)
    assert scales.action_half_range[:, 1].numpy() == pytest.approx(0.01)
    assert scales.action_half_range[:, 2].numpy() == pytest.approx(0.001)
    normalised = scales.normalise_states(torch.from_numpy(data.states))
    assert torch.isfinite(normalised).all()
    assert normalised.abs().max() <= 1.001


def test_normalisation_of_actions_is_inverted(data: Demonstrations) -> None:
    scales = fitted(data)
    actions = torch.from_numpy(data.chunks(np.arange(len(data.states)), 5))
    measured = torch.from_numpy(data.states)
    normalised = scales.normalise_actions(actions, measured)
    assert normalised.abs().max() <= 1.001
    torch.testing.assert_close(scales.absolute_actions(normalised, measured), actions)


def test_arms_are_relative_and_grippers_absolute(data: Demonstrations) -> None:
    scales = fitted(data)
    offset, measured = torch.zeros(5, 3), torch.tensor([0.3, 0.1, 0.02])
    difference = scales.absolute_actions(offset, measured + 0.1) - scales.absolute_actions(
        offset, measured
    )
    torch.testing.assert_close(difference, torch.tensor([0.1, 0.1, 0.0]).expand(5, 3))


def test_actions_without_a_state_of_the_same_name_are_absolute() -> None:
    relative_to = relative_columns(("hand_x", "elbow_joint"), ("elbow_joint", "grip"), True)
    np.testing.assert_array_equal(relative_to, [[0, 0], [1, 0]])
    assert not relative_columns(JOINTS, JOINTS, relative=False).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state_names": ("a", "b", "c")}, "state"),
        ({"action_names": ("a", "b", "c")}, "action"),
        ({"step_s": 0.1}, "step_s"),
        ({"images": {}}, "cameras"),
    ],
)
def test_an_episode_that_differs_from_the_first_is_refused_by_name(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    write_episode(episode_path(folder, 3), episode(3, **changes))
    with pytest.raises(TrainingError, match=f"episode_000003.npz differs from .* in {message}"):
        load_demonstrations(folder)


def test_an_empty_folder_and_an_empty_episode_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="has no known data format"):
        load_demonstrations(tmp_path / "empty")
    write_episode(episode_path(folder, 1), episode(1, steps=0))
    with pytest.raises(TrainingError, match=r"episode_000001.npz has no steps"):
        load_demonstrations(folder)


@pytest.mark.parametrize("wrong", ["nan", "length"])
def test_damaged_numbers_are_refused(folder: Path, wrong: str) -> None:
    path = episode_path(folder, 2)
    with np.load(path) as archive:
        arrays = dict(archive)
    if wrong == "nan":
        arrays["actions"][4, 1] = np.nan
    else:
        arrays["actions"] = arrays["actions"][:-1]
    np.savez(path, **arrays)
    with pytest.raises(TrainingError, match=r"episode_000002.npz: actions"):
        load_demonstrations(folder)


def test_invalid_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of dbp"):
        TrainConfig(method="drift")
    with pytest.raises(ConfigError, match="samples = 1"):
        TrainConfig(num_samples=1)
    with pytest.raises(ConfigError, match="latent_dct_modes = 9"):
        TrainConfig(latent_dct_modes=9, horizon=8)


def test_the_learning_rate_warms_up_then_decays_to_a_hundredth() -> None:
    rates = [learning_rate(replace(CONFIG, num_steps=100, warmup_steps=10), u) for u in range(101)]
    assert np.argmax(rates) in (9, 10)
    assert rates[-1] == pytest.approx(CONFIG.learning_rate / 100)


@pytest.mark.parametrize("method", ["dbp", "bc_mse"])
def test_a_resumed_run_equals_an_uninterrupted_run(
    data: Demonstrations, tmp_path: Path, method: str
) -> None:
    config = replace(CONFIG, method=method)
    whole = Trainer(config, data, tmp_path / "whole")
    whole.train()
    Trainer(config, data, tmp_path / "parts").train(stop_at=3)
    torch.randn(7)
    second = Trainer(config, data, tmp_path / "parts")
    second.resume(read_checkpoint(tmp_path / "parts"))
    second.train()
    expected, resumed = whole.checkpoint(), second.checkpoint()
    assert set(expected.tensors) == set(resumed.tensors)
    for name, value in expected.tensors.items():
        torch.testing.assert_close(value, resumed.tensors[name], rtol=0, atol=0)
    assert resumed.metadata["average_updates"] == 6
    log = (tmp_path / "parts" / "log.csv").read_text()
    assert log == (tmp_path / "whole" / "log.csv").read_text()


def test_a_run_of_other_settings_is_not_resumed(data: Demonstrations, tmp_path: Path) -> None:
    Trainer(CONFIG, data, tmp_path).train(stop_at=1)
    other = Trainer(replace(CONFIG, batch_size=2), data, tmp_path)
    with pytest.raises(TrainingError, match="other settings"):
        other.resume(read_checkpoint(tmp_path))


@pytest.mark.parametrize("method", ["dbp", "joint_sinkhorn", "ddim"])
def test_gradient_accumulation_does_not_change_the_update(
    data: Demonstrations, method: str
) -> None:
    config = replace(CONFIG, method=method, num_samples=4, max_grad_norm=1e9)
    whole, parts = (
        Trainer(replace(config, gradient_accumulation_steps=count), data) for count in (1, 2)
    )
    for trainer in (whole, parts):
        trainer.train(stop_at=1)
    for name, value in whole.policy.state_dict().items():
        # A tenth of an update: rounding in another order, measured 2.5e-5 with AVX2.
        torch.testing.assert_close(parts.policy.state_dict()[name], value, rtol=0, atol=5e-5)
