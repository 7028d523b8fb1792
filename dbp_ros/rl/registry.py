"""Learners by name."""

from dataclasses import replace

from dbp_ros.errors import TrainingError
from dbp_ros.learning.methods.one_step import Regression
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.dbpo_published import PublishedLearner
from dbp_ros.rl.dfp import DFPLearner
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.settings.finetune import FinetuneConfig


def build_learner(policy: PolicyNetwork, config: FinetuneConfig) -> Learner:
    """Build the learner of a configuration with a copy of a policy.

    `gaussian_ppo` is the learner of `dbpo` for a policy of `bc_mse`, which ignores the latent.

    Raises:
        TrainingError: If the policy does not fit the settings, or that of `gaussian_ppo` is not of
            `bc_mse`.
    """
    if config.algorithm == "gaussian_ppo" and not isinstance(policy.method, Regression):
        raise TrainingError(
            "algorithm = gaussian_ppo: expected a policy of method bc_mse, and this is a "
            f"{type(policy.method).__name__}: train it with --method bc_mse, or use dbpo"
        )
    if config.algorithm == "dbpo_published":
        return PublishedLearner(policy, config)
    if config.algorithm == "dfp":
        return DFPLearner(policy, config)
    if config.algorithm == "dbpo_no_anchor":
        return PPOLearner(policy, replace(config, anchor_weight=0.0))
    return PPOLearner(policy, config)
