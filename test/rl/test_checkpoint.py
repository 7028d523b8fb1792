"""Checkpoints of online learning are exported and resumed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sampled_transitions import CONFIG as FINETUNE
from toy_episodes import JOINTS, episode
from toy_training import CONFIG

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.errors import TrainingError
from dbp_ros.learning.checkpoint import read_checkpoint, write_checkpoint
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.export import ExportMetadata, export_bundle
from dbp_ros.learning.policy_network import image_tensor
from dbp_ros.learning.trainer import Trainer
from dbp_ros.rl.checkpoint import finetuned_checkpoint, restore
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.transitions import Transitions


def camera_transitions(learner: PPOLearner) -> Transitions:
    """Return transitions whose observations hold image features."""
    generator = torch.Generator().manual_seed(learner.version)
    before, after = torch.randn(2, 8, 4, learner.policy.observation_size, generator=generator)
    latent = torch.randn(8, 4, *learner.policy.chunk_shape, generator=generator)
    explored = learner.explore(before.flatten(0, 1), latent.flatten(0, 1), generator)
    ended = torch.zeros(8, 4, dtype=torch.bool)
    return Transitions(
        observation=before,
        latent=latent,
        action=explored.action.unflatten(0, (8, 4)),
        log_prob=explored.log_prob(torch.full((32,), 2)).unflatten(0, (8, 4)),
        executed=torch.full((8, 4), 2),
        reward=torch.randn(8, 4, generator=generator),
        terminated=ended,
        truncated=ended,
        successor=after,
        version=torch.full((8, 4), learner.version),
        valid=~ended,
    )


def test_a_finetuned_policy_is_exported_and_resumed_from_its_checkpoint(tmp_path: Path) -> None:
    data = join_episodes((episode(index), str(index)) for index in range(5))
    Trainer(CONFIG, data, tmp_path / "pretrained").train()
    pretrained = read_checkpoint(tmp_path / "pretrained")
    config = replace(FINETUNE, n_action_steps=2)
    learner = PPOLearner(pretrained.policy(), config)
    with pytest.raises(TrainingError, match="from imitation learning"):
        restore(pretrained, learner)
    learner.update(camera_transitions(learner))
    write_checkpoint(tmp_path / "run", finetuned_checkpoint(pretrained, learner, {"env_steps": 64}))

    checkpoint = read_checkpoint(tmp_path / "run")
    assert checkpoint.metadata["finetuned"]["env_steps"] == 64
    export_bundle(checkpoint, data, tmp_path / "toy", ExportMetadata("toy"))
    bundle = read_bundle(tmp_path / "toy")
    assert bundle.manifest.joints == JOINTS
    golden = read_golden(bundle)
    images = {name: image_tensor(torch.from_numpy(x)) for name, x in golden.images.items()}
    features = learner.policy.encode(images, {})
    actions = learner.policy.act(
        torch.from_numpy(golden.positions), features, torch.from_numpy(golden.latent)[:, None]
    )
    torch.testing.assert_close(actions[:, 0], torch.from_numpy(golden.action), rtol=0, atol=1e-5)

    again = PPOLearner(pretrained.policy(), config)
    restore(checkpoint, again)
    transitions = camera_transitions(learner)
    assert again.update(transitions) == learner.update(transitions)
    other = PPOLearner(pretrained.policy(), replace(config, gamma=0.5))
    with pytest.raises(TrainingError, match="other settings"):
        restore(checkpoint, other)
