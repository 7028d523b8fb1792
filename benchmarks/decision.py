"""One decision of a PyTorch policy, and its latency."""

import time
from collections.abc import Mapping

import numpy as np
import torch

from dbp_ros.learning.policy_network import PolicyNetwork, image_tensor
from dbp_ros.types import Floats, Image

LATENCY_PASSES = 200


@torch.no_grad()
def decide(
    policy: PolicyNetwork, states: Floats, images: Mapping[str, Image], latent: Floats
) -> Floats:
    """Return a chunk of absolute actions. Shape (horizon, nu).

    Args:
        policy: On the CPU.
        states: Oldest first. Shape (history, ns).
        images: Images by camera, oldest first. Shapes (history, height, width, 3).
        latent: Standard normal. Shape (horizon, nu).
    """
    inputs = {name: image_tensor(torch.from_numpy(image)[None]) for name, image in images.items()}
    features = policy.encode(inputs, {})
    noise = torch.from_numpy(latent)[None, None]
    chunk: Floats = policy.act(torch.from_numpy(states)[None], features, noise)[0, 0].numpy()
    return chunk


def decision_latency_ms(policy: PolicyNetwork, passes: int = LATENCY_PASSES) -> float:
    """Return the median time of one decision in [ms], encoders included."""
    states = np.zeros((policy.n_obs_steps, len(policy.shape.state_names)), np.float32)
    images = {
        name: np.zeros((policy.n_obs_steps, *size, 3), np.uint8)
        for name, size in policy.shape.cameras.items()
    }
    latent = np.zeros(policy.chunk_shape, np.float32)
    times = []
    for _ in range(max(10, passes // policy.method.num_inference_steps)):
        start = time.perf_counter()
        decide(policy, states, images, latent)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))
