"""A toy policy from imitation learning, and a stochastic policy of it."""

import pytest
import torch
from demonstrations import CONFIG, episode

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.export import ExportLabel, export_bundle
from dbp_ros.learning.trainer import Trainer
from dbp_ros.rl.from_robot.policy_versions import PolicyVersions
from dbp_ros.rl.stochastic_policy import StochasticPolicy
from dbp_ros.settings.finetune import FinetuneConfig

SIGMA = 0.05


@pytest.fixture(scope="session")
def imitated(tmp_path_factory):
    """A checkpoint and its exported bundle."""
    folder = tmp_path_factory.mktemp("imitated")
    data = join_episodes((episode(index), str(index)) for index in range(5))
    Trainer(CONFIG, data, folder / "run").train()
    checkpoint = read_checkpoint(folder / "run")
    export_bundle(checkpoint, data, folder / "toy", ExportLabel("toy"))
    return checkpoint, read_bundle(folder / "toy")


@pytest.fixture(scope="session")
def actor(imitated):
    """A policy whose standard deviation depends on the observation."""
    actor = StochasticPolicy(imitated[0].policy(), FinetuneConfig(init_noise_std=SIGMA))
    torch.manual_seed(0)
    torch.nn.init.normal_(actor.log_std_head.linear.weight, std=0.5)
    return actor


@pytest.fixture(scope="session")
def folder(imitated, actor, tmp_path_factory):
    """A folder with one version."""
    folder = tmp_path_factory.mktemp("versions")
    PolicyVersions(folder).export(actor, imitated[1], 1)
    return folder
