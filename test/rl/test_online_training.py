"""Online training in an environment: evaluation by complete episodes, bit-identical resumption."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_episodes import JOINTS, episode
from toy_training import CONFIG

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import TrainingError
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.export import ExportMetadata, export_bundle
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.learning.trainer import Trainer
from dbp_ros.rl.online_training import OnlineTraining, OnlineTrainingConfig
from dbp_ros.rl.registry import build_learner
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.types import Floats, Indices, VectorStepResult

LONGEST = 11


class Line:
    """Reach 1 on a line from a random start within eleven steps."""

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.now, self.steps = np.zeros((num_envs, 1), np.float32), np.zeros(num_envs, int)

    def reset(self, indices: Indices, seeds: Sequence[int]) -> Floats:
        self.now[indices, 0] = [np.random.default_rng(seed).uniform(-1, 0.5) for seed in seeds]
        self.steps[indices] = 0
        return self.now[indices].copy()

    def step(self, indices: Indices, actions: Floats) -> VectorStepResult:
        self.now[indices] += 0.3 * actions.clip(-1, 1)
        self.steps[indices] += 1
        there = self.now[indices, 0] > 1
        late = (self.steps[indices] >= LONGEST) & ~there
        return VectorStepResult(self.now[indices].copy(), there.astype(float), there, late, there)


SETTINGS = FinetuneConfig(
    num_envs=6,
    decisions_per_env=5,
    n_action_steps=2,
    minibatch_size=8,
    critic_warmup_updates=1,
    num_learning_epochs=2,
)
SHORT = OnlineTrainingConfig(steps=400, eval_every=2, eval_episodes=4)


@pytest.fixture(scope="module")
def pretrained() -> Checkpoint:
    torch.manual_seed(0)
    config = TrainConfig(horizon=4, n_obs_steps=2, width=16, branch_width=16, depth=1)
    shape = PolicyShape(("x",), ("dx",), {}, {}, 0.1)
    average = PolicyNetwork(shape, config).state_dict()
    return Checkpoint(config, shape, {}, {f"average/{k}": v for k, v in average.items()})


def online_training(
    pretrained: Checkpoint, run: Path | None = None, settings: FinetuneConfig = SETTINGS
) -> OnlineTraining:
    learner = build_learner(pretrained.policy(), settings)
    return OnlineTraining(SHORT, learner, pretrained, Line(6), Line(4), run)


def test_a_resumed_run_equals_an_uninterrupted_one(pretrained: Checkpoint, tmp_path: Path) -> None:
    whole = online_training(pretrained, tmp_path / "whole")
    whole.run()
    online_training(pretrained, tmp_path / "parts").run(stop_at=3)
    torch.randn(7)
    saved = read_checkpoint(tmp_path / "parts")
    second = online_training(saved, tmp_path / "parts")
    second.resume(saved)
    second.run()
    assert second.steps == whole.steps >= SHORT.steps
    assert second.updates == whole.updates > 6
    one, two = whole.checkpoint(), second.checkpoint()
    assert set(one.tensors) == set(two.tensors)
    for name, value in one.tensors.items():
        torch.testing.assert_close(value, two.tensors[name], rtol=0, atol=0)
    assert sum(len(v) for k, v in one.tensors.items() if "/actions/" in k) > 0


def test_a_resumed_run_keeps_the_rows_of_its_log_and_writes_each_once(
    pretrained: Checkpoint, tmp_path: Path
) -> None:
    online_training(pretrained, tmp_path).run(stop_at=3)
    saved = read_checkpoint(tmp_path)
    second = online_training(saved, tmp_path)
    second.resume(saved)
    second.run()
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    updates = [int(row.split(",")[0]) for row in rows]
    assert updates == [0, 2, 3, *range(4, second.updates, 2), second.updates][: len(updates)]
    assert updates[-1] == second.updates
    assert (tmp_path / "online_training.png").stat().st_size > 10_000


def test_the_first_row_evaluates_the_pretrained_policy(
    pretrained: Checkpoint, tmp_path: Path
) -> None:
    rows: list[dict[str, float]] = []
    online_training(pretrained, tmp_path).run(stop_at=1, report=lambda _, row: rows.append(row))
    assert [row["env_steps"] for row in rows] == [0, pytest.approx(rows[1]["env_steps"])]
    assert math.isnan(rows[0]["kl"])
    assert not math.isnan(rows[1]["kl"])


def test_the_checkpoint_contains_the_trained_policy(pretrained: Checkpoint, tmp_path: Path) -> None:
    run = online_training(pretrained, tmp_path)
    run.run(stop_at=4)
    saved = read_checkpoint(tmp_path)
    observation, latent = torch.zeros(3, 2), torch.ones(3, 1, 4, 1)
    expected = run.learner.policy.method(observation, latent)
    torch.testing.assert_close(saved.policy().method(observation, latent), expected)
    before = pretrained.policy().method(observation, latent)
    assert not torch.equal(saved.policy().method(observation, latent), before)


def test_a_run_of_other_settings_or_of_imitation_learning_is_not_resumed(
    pretrained: Checkpoint, tmp_path: Path
) -> None:
    online_training(pretrained, tmp_path).run(stop_at=1)
    other = online_training(pretrained, settings=FinetuneConfig(num_envs=6, gamma=0.5))
    with pytest.raises(TrainingError, match="other settings"):
        other.resume(read_checkpoint(tmp_path))
    with pytest.raises(TrainingError, match="from imitation learning"):
        online_training(pretrained).resume(pretrained)


class Joints:
    """Three joints that follow their commands, with a reward for motion."""

    def __init__(self, num_envs: int) -> None:
        self.num_envs, self.now = num_envs, np.zeros((num_envs, 3), np.float32)

    def reset(self, indices: Indices, seeds: Sequence[int]) -> Floats:
        self.now[indices] = 0
        return self.now[indices].copy()

    def step(self, indices: Indices, actions: Floats) -> VectorStepResult:
        self.now[indices] = actions
        never = np.zeros(len(indices), bool)
        return VectorStepResult(actions, np.abs(actions).sum(1), never, np.ones_like(never), never)


def test_the_trained_policy_is_exported(tmp_path: Path) -> None:
    data = join_episodes((episode(index, images={}), str(index)) for index in range(3))
    trainer = Trainer(CONFIG, data)
    trainer.train()
    start = trainer.checkpoint()
    learner = build_learner(start.policy(), replace(SETTINGS, n_action_steps=1))
    OnlineTraining(SHORT, learner, start, Joints(6), Joints(4), tmp_path / "run").run(stop_at=3)
    trained = read_checkpoint(tmp_path / "run")
    worst = export_bundle(trained, data, tmp_path / "bundle", ExportMetadata("trained"))
    assert worst <= 1e-5
    assert read_bundle(tmp_path / "bundle").manifest.joints == JOINTS
