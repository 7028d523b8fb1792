"""From episodes to a model bundle, on a toy that takes seconds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from dbp_ros.bundle import read_bundle
from dbp_ros.episodes.episode import Episode, episode_path, write_episode
from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations, load_demonstrations, split_by_episode
from dbp_ros.learning.export import Label, export_bundle, largest_difference
from dbp_ros.learning.normaliser import fit_normaliser
from dbp_ros.learning.policy import pictures
from dbp_ros.learning.trainer import Trainer, learning_rate

JOINTS = ("left_elbow_joint", "left_idle_joint", "left_gripper_joint")
CONFIG = TrainConfig(
    updates=6,
    batch=4,
    samples=3,
    horizon=5,
    width=16,
    latent_width=16,
    channels=(8, 8, 8, 8),
    keypoints=4,
    warm_up=2,
    validate_every=3,
    checkpoint_every=3,
    threads=1,
)


def episode(seed: int, steps: int = 9, **changes: Any) -> Episode:
    """Return an episode in which one joint moves and one stands still."""
    chance = np.random.default_rng(seed)
    path = np.zeros((steps + 1, 3), np.float32)
    path[:, 0] = np.linspace(0, chance.uniform(0.5, 1.0), steps + 1)
    path[:, 2] = 0.04
    made = Episode(
        task="toy",
        seed=seed,
        mode="left",
        outcome="success",
        termination_reason="success",
        joint_names=JOINTS,
        step_s=1 / 30,
        positions=path[:-1],
        actions=path[1:],
        rewards=np.zeros(steps, np.float32),
        stamps_ns=np.arange(steps),
        images={
            name: chance.integers(0, 255, (steps, 24, 32, 3), np.uint8)
            for name in ("head", "wrist")
        },
    )
    return replace(made, **changes)


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
    np.testing.assert_array_equal(batch.actions[0], [first[0], first[1], first[1], first[1]])


def test_a_late_frame_is_one_step_old_and_of_the_same_episode(data: Demonstrations) -> None:
    rows = np.array([3, 9])
    late = {"head": np.array([1, 1]), "wrist": np.array([0, 0])}
    batch = data.batch(rows, 4, late=late)
    np.testing.assert_array_equal(batch.images["head"][:, 0], data.images["head"][[2, 9]])
    np.testing.assert_array_equal(batch.images["wrist"][:, 0], data.images["wrist"][rows])


def test_history_before_the_first_step_repeats_it(data: Demonstrations) -> None:
    batch = data.batch(np.array([10]), 4, history=3)
    np.testing.assert_array_equal(batch.positions[0], data.positions[[9, 9, 10]])


def test_no_episode_is_in_both_splits(data: Demonstrations) -> None:
    training, held_out = split_by_episode(data, 0.4, seed=0)
    assert not set(data.episode[training]) & set(data.episode[held_out])
    assert len(training) + len(held_out) == len(data.positions)
    assert len(set(data.episode[held_out])) == 2


def test_the_normaliser_is_fitted_on_training_episodes_only(folder: Path, tmp_path: Path) -> None:
    held_out = split_by_episode(load_demonstrations(folder), 0.2, CONFIG.seed)[1]
    index = int(load_demonstrations(folder).episode[held_out[0]])
    wild = episode(0, positions=np.full((9, 3), 9, np.float32))
    write_episode(episode_path(folder, index), wild)
    trainer = Trainer(CONFIG, load_demonstrations(folder), tmp_path / "run")
    highest = (
        trainer.policy.normaliser.position_centre + trainer.policy.normaliser.position_half_range
    )
    assert highest.max() < 2


def test_an_idle_joint_is_reported_and_stays_finite(data: Demonstrations) -> None:
    assert data.still_joints() == ("left_idle_joint", "left_gripper_joint")
    fitted = fit_normaliser(JOINTS, data.positions, data.chunks(np.arange(45), 5), 0.02, 0.002)
    assert fitted.action_half_range[:, 1].numpy() == pytest.approx(0.01)
    assert fitted.action_half_range[:, 2].numpy() == pytest.approx(0.001)
    normal = fitted.normalise_positions(torch.from_numpy(data.positions))
    assert torch.isfinite(normal).all()
    assert normal.abs().max() <= 1.001


def test_normalised_actions_come_back(data: Demonstrations) -> None:
    rows = np.arange(len(data.positions))
    chunks = data.chunks(rows, 5)
    fitted = fit_normaliser(JOINTS, data.positions, chunks, 0.02, 0.002)
    wanted, measured = torch.from_numpy(chunks), torch.from_numpy(data.positions)
    normal = fitted.normalise_actions(wanted, measured)
    assert normal.abs().max() <= 1.001
    torch.testing.assert_close(fitted.absolute_actions(normal, measured), wanted)


def test_arms_are_relative_and_grippers_absolute(data: Demonstrations) -> None:
    fitted = fit_normaliser(JOINTS, data.positions, data.chunks(np.arange(45), 5), 0.02, 0.002)
    said, here = torch.zeros(5, 3), torch.tensor([0.3, 0.1, 0.02])
    moved = fitted.absolute_actions(said, here + 0.1) - fitted.absolute_actions(said, here)
    torch.testing.assert_close(moved, torch.tensor([0.1, 0.1, 0.0]).expand(5, 3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joint_names": ("a", "b", "c")}, "expected joints"),
        ({"step_s": 0.1}, "expected step_s"),
        ({"images": {}}, "expected cameras"),
    ],
)
def test_an_episode_unlike_the_first_is_refused_by_name(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    write_episode(episode_path(folder, 3), episode(3, **changes))
    with pytest.raises(TrainingError, match=f"episode_000003.npz: {message}"):
        load_demonstrations(folder)


def test_an_empty_folder_and_an_empty_episode_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no episode"):
        load_demonstrations(tmp_path)
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


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of conditional_drifting"):
        TrainConfig(objective="drift")
    with pytest.raises(ConfigError, match="samples = 1"):
        TrainConfig(samples=1)
    with pytest.raises(ConfigError, match="latent_waves = 9"):
        TrainConfig(latent_waves=9, horizon=8)


def test_the_learning_rate_rises_then_falls_to_a_hundredth() -> None:
    rates = [learning_rate(replace(CONFIG, updates=100, warm_up=10), u) for u in range(101)]
    assert np.argmax(rates) in (9, 10)
    assert rates[-1] == pytest.approx(CONFIG.learning_rate / 100)


@pytest.mark.parametrize("objective", ["conditional_drifting", "regression"])
def test_a_resumed_run_equals_one_that_was_never_stopped(
    data: Demonstrations, tmp_path: Path, objective: str
) -> None:
    config = replace(CONFIG, objective=objective)
    whole = Trainer(config, data, tmp_path / "whole")
    whole.train()
    Trainer(config, data, tmp_path / "parts").train(stop_at=3)
    torch.randn(7)
    second = Trainer(config, data, tmp_path / "parts")
    second.resume(read_checkpoint(tmp_path / "parts"))
    second.train()
    one, two = whole.checkpoint(), second.checkpoint()
    assert set(one.tensors) == set(two.tensors)
    for name, value in one.tensors.items():
        torch.testing.assert_close(value, two.tensors[name], rtol=0, atol=0)
    assert two.facts["average_updates"] == 6
    log = (tmp_path / "parts" / "log.csv").read_text()
    assert log == (tmp_path / "whole" / "log.csv").read_text()


def test_a_run_of_other_settings_is_not_resumed(data: Demonstrations, tmp_path: Path) -> None:
    Trainer(CONFIG, data, tmp_path).train(stop_at=1)
    other = Trainer(replace(CONFIG, batch=2), data, tmp_path)
    with pytest.raises(TrainingError, match="other settings"):
        other.resume(read_checkpoint(tmp_path))


def test_the_exported_bundle_is_whole_and_agrees_with_its_proof(
    data: Demonstrations, tmp_path: Path
) -> None:
    Trainer(CONFIG, data, tmp_path / "run").train()
    checkpoint = read_checkpoint(tmp_path / "run")
    worst = export_bundle(checkpoint, data, tmp_path / "models" / "toy", Label("toy"))
    bundle = read_bundle(tmp_path / "models" / "toy")
    assert worst <= 1e-4
    assert largest_difference(bundle.directory, bundle.read_proof(), 1) == worst
    assert bundle.manifest.joints == JOINTS
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["toy"]
    policy = checkpoint.policy()
    session = onnxruntime.InferenceSession(bundle.path("encoder_head.onnx"))
    small = np.ascontiguousarray(data.images["head"][0])
    large = small.repeat(2, 0).repeat(2, 1)
    (seen,) = session.run(["features"], {"image": small})
    expected = policy.encoders[0](pictures(torch.from_numpy(small)[None, None])[0])
    np.testing.assert_allclose(seen, expected, atol=1e-5)
    (resized,) = session.run(["features"], {"image": large})
    assert resized.shape == seen.shape
