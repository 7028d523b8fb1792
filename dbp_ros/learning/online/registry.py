"""From the name of an online algorithm to a learner."""

from dataclasses import replace

from dbp_ros.learning.online.config import FinetuneConfig
from dbp_ros.learning.online.learner import Learner
from dbp_ros.learning.online.ppo import ProximalLearner
from dbp_ros.learning.policy import Policy


def build_learner(policy: Policy, config: FinetuneConfig) -> Learner:
    """Return the learner that the settings name, at work on a copy of a policy.

    `gaussian_ppo` is the same learner as `dbpo`; its policy was imitated by `bc_mse` and says the
    same for every latent.
    """
    if config.algorithm == "dbpo_no_anchor":
        return ProximalLearner(policy, replace(config, anchor_weight=0.0))
    return ProximalLearner(policy, config)
