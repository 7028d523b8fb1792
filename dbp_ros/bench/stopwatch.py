"""How long one decision of a policy takes in PyTorch."""

import time

import numpy as np
import torch

from dbp_ros.learning.policy import Policy

PASSES, FEWEST_PASSES = 200, 10


@torch.no_grad()
def decision_latency_ms(policy: Policy, passes: int = PASSES) -> float:
    """Return the median time of one decision: batch 1, states alone, in [ms].

    Args:
        policy: Takes no pictures and no clouds.
        passes: Through the head, shared by as many decisions as they are enough for.
    """
    states = torch.zeros(1, policy.history, len(policy.shape.state_names))
    latent = torch.zeros(1, 1, *policy.chunk_shape)
    times = []
    for _ in range(max(FEWEST_PASSES, passes // policy.method.evaluations)):
        start = time.perf_counter()
        policy.act(states, {}, latent)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))
