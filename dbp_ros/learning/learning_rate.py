"""Schedule of the learning rate."""

import math

from dbp_ros.learning.config import TrainConfig

FINAL_LEARNING_RATE = 0.01


def learning_rate(config: TrainConfig, update: int) -> float:
    """Return the learning rate of an update: linear warm-up, cosine decay to a hundredth."""
    warmup = min(1.0, (update + 1) / (config.warmup_steps + 1))
    cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, update / config.num_steps))
    decay = FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * cosine
    return config.learning_rate * warmup * decay
