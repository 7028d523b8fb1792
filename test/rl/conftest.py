"""A pretrained toy policy, and its stochastic policy."""

import pytest
import torch
from toy_episodes import episode
from toy_training import CONFIG

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.export import ExportMetadata, export_bundle
from dbp_ros.learning.trainer import Trainer
from dbp_ros.rl.from_robot.policy_versions import PolicyVersions
from dbp_ros.rl.stochastic_policy import StochasticPolicy
from dbp_ros.settings.finetune import FinetuneConfig

SIGMA = 0.05
# Sums in another order round differently, and training amplifies the difference.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
    """Return a checkpoint and its exported bundle."""
    folder = tmp_path_factory.mktemp("pretrained")
    data = join_episodes((episode(index), str(index)) for index in range(5))
    Trainer(CONFIG, data, folder / "run").train()
    checkpoint = read_checkpoint(folder / "run")
    export_bundle(checkpoint, data, folder / "toy", ExportMetadata("toy"))
    return checkpoint, read_bundle(folder / "toy")


@pytest.fixture(scope="session")
def actor(pretrained):
    """Return a policy whose standard deviation depends on the observation."""
    actor = StochasticPolicy(pretrained[0].policy(), FinetuneConfig(init_noise_std=SIGMA))
    torch.manual_seed(0)
    torch.nn.init.normal_(actor.log_std_head.linear.weight, std=0.5)
    return actor


@pytest.fixture(scope="session")
def folder(pretrained, actor, tmp_path_factory):
    """Return a folder with one version."""
    folder = tmp_path_factory.mktemp("versions")
    PolicyVersions(folder).export(actor, pretrained[1], 1)
    return folder
