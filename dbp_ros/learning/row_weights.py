"""Sampling weights of the rows of a data set in which a human corrected a policy.

A row is sampled with probability `w_i / sum_j w_j`. Its weight `w_i` depends on what drove the
robot:

- 1 in a demonstration, which is an episode without rows of a policy;
- `intervention_row_weight` where a human drove in an episode of a policy;
- `policy_row_weight` where the policy drove.

With a policy weight of 0, training uses demonstrations and interventions only, as HG-DAgger does
(Kelly et al. 2019, arXiv 1810.02890); DAgger (Ross et al. 2011, arXiv 1011.0686) has expert labels
for all states of the policy, which a human at the robot cannot give. A larger weight of the
interventions, as in intervention weighted regression (Mandlekar et al. 2020, arXiv 2012.06733),
balances a few corrections against many demonstrations.
"""

import numpy as np

from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.types import Array


def row_weights(config: TrainConfig, data: Demonstrations) -> Array:
    """Return the sampling weight of each row, not negative. Shape (steps,)."""
    in_policy_episode = np.isin(data.episode, data.episode[data.by_policy])
    weights = np.where(in_policy_episode, config.intervention_row_weight, 1.0)
    return np.where(data.by_policy, config.policy_row_weight, weights)
