"""Training in several processes, each on its own rows of a batch."""

import torch
from accelerate import Accelerator
from torch import nn

from dbp_ros.errors import TrainingError
from dbp_ros.learning.config import TrainConfig


def require_divisible_batch(config: TrainConfig, accelerator: Accelerator) -> None:
    """Require equal parts of a batch for all processes and accumulation steps.

    Raises:
        TrainingError: If the batch size is not a multiple of their number.
    """
    parts = accelerator.num_processes * config.gradient_accumulation_steps
    if config.batch_size % parts:
        raise TrainingError(
            f"batch_size = {config.batch_size} cannot be split over "
            f"{accelerator.num_processes} processes in "
            f"{config.gradient_accumulation_steps} parts each: use a multiple of {parts}"
        )


def average_gradients(network: nn.Module, accelerator: Accelerator) -> None:
    """Replace the gradients of each process by their mean over all processes."""
    if accelerator.num_processes == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()
