"""What choosing among several chunks brings when a policy is deployed, and what it costs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dbp_ros.rl.dfp import DFPLearner
from dbp_ros.rl.rollout import evaluate_learner
from dbp_ros.types import VectorEnv

TIMED_DECISIONS = 200


@dataclass(frozen=True)
class BestOfN:
    """A way of deploying a policy.

    Attributes:
        best_of: Chunks among which the critics choose; 1 for the policy alone.
        success: Share of episodes that were solved.
        episode_return: Mean undiscounted return.
        decision_ms: Median time of one decision of one robot in [ms].
    """

    best_of: int
    success: float
    episode_return: float
    decision_ms: float


def compare_deployments(
    learner: DFPLearner, environment: VectorEnv, seeds: Sequence[int]
) -> list[BestOfN]:
    """Judge and time the policy alone, and the best of as many chunks as in practice.

    Args:
        learner: Left as it was.
        environment: To be judged in, with at least as many environments as seeds.
        seeds: Of the episodes, the same for both.
    """
    before, found = learner.best_of, []
    for count in (1, learner.config.best_of):
        learner.best_of = count
        judged = evaluate_learner(environment, learner, seeds, learner.config.seed)
        milliseconds = decision_ms(learner)
        found.append(BestOfN(count, judged.success, judged.episode_return, milliseconds))
    learner.best_of = before
    return found


def decision_ms(learner: DFPLearner) -> float:
    """Return the median time of one decision of one robot in [ms]."""
    observation = torch.zeros(1, learner.policy.observation_size)
    latent = torch.zeros(1, *learner.policy.chunk_shape)
    took_ns = []
    for _ in range(TIMED_DECISIONS):
        began = time.perf_counter_ns()
        learner.decide(observation, latent)
        took_ns.append(time.perf_counter_ns() - began)
    return float(np.median(took_ns)) / 1e6
