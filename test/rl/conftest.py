"""A pretrained toy policy, and its stochastic policy."""

import pytest
import torch
from toy_training import train_toy

from dbp_ros.rl.from_robot.policy_versions import PolicyVersions
from dbp_ros.rl.stochastic_policy import StochasticPolicy
from dbp_ros.settings.finetune import FinetuneConfig

SIGMA = 0.05
# Sums in another order round differently, and training amplifies the difference.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
    """Return a checkpoint and its exported bundle."""
    return train_toy(tmp_path_factory.mktemp("pretrained"))


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
