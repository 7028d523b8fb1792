"""Backtracking of an update to a bound of the KL divergence, as in TRPO (arXiv 1502.05477)."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# The divergence is about quadratic in the length of an update; the factor makes up for the rest.
MARGIN = 0.95
# A shorter fraction of an update is not worth a new version.
MIN_FRACTION = 1e-3


@torch.no_grad()
def backtrack(
    parameters: Sequence[Tensor],
    start: Sequence[Tensor],
    divergence: Callable[[], float],
    max_divergence: float,
) -> float:
    """Shorten an update until the divergence from its start is within a bound.

    Args:
        parameters: Of the policy after the update; changed in place.
        start: Their values before the update.
        divergence: Returns the divergence of the policy with the current parameters.
        max_divergence: The bound.

    Returns:
        The remaining fraction of the update, 0 if it was undone.
    """
    end = [parameter.clone() for parameter in parameters]
    fraction = 1.0
    while fraction and not (excess := divergence() / max(max_divergence, 1e-12)) <= 1.0:
        fraction *= MARGIN / math.sqrt(excess) if math.isfinite(excess) else 0.0
        fraction = fraction if fraction >= MIN_FRACTION else 0.0
        for parameter, before, after in zip(parameters, start, end, strict=True):
            # An interpolation would keep values that are not finite.
            parameter.copy_(torch.lerp(before, after, fraction) if fraction else before)
    return fraction
