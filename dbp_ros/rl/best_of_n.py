"""Success and latency of best-of-n selection by the critics."""

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
    """Result of one deployment.

    Attributes:
        best_of: Chunks from which the critics select; 1 for the policy alone.
        success: Fraction of solved episodes.
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
    """Evaluate and time the policy alone and with best-of-n selection.

    Args:
        learner: Unchanged afterwards.
        environment: Environment with at least as many episodes as seeds.
        seeds: Seeds of the episodes.
    """
    before, results = learner.best_of, []
    for count in (1, learner.config.best_of_n):
        learner.best_of = count
        result = evaluate_learner(environment, learner, seeds, learner.config.seed)
        milliseconds = decision_ms(learner)
        results.append(BestOfN(count, result.success, result.episode_return, milliseconds))
    learner.best_of = before
    return results


def decision_ms(learner: DFPLearner) -> float:
    """Return the median time of one decision of one robot in [ms]."""
    observation = torch.zeros(1, learner.policy.observation_size)
    latent = torch.zeros(1, *learner.policy.chunk_shape)
    durations_ns = []
    for _ in range(TIMED_DECISIONS):
        start_ns = time.perf_counter_ns()
        learner.act(observation, latent)
        durations_ns.append(time.perf_counter_ns() - start_ns)
    return float(np.median(durations_ns)) / 1e6
