"""The loss whose gradient moves generated samples along a drifting field."""

from torch import Tensor

from dbp_ros.drift.fields import Drift


def scaled_loss(generated: Tensor, drift: Drift) -> Tensor:
    """Return the published loss: the squared drift in units of its scale.

    Its value is nearly constant and says nothing about progress (each force is normalised); its
    gradient is `-2 V / (B G S c)`, arXiv 2602.04770.

    Args:
        generated: Samples, with gradient. Shape (B, G, S).
        drift: The field at these samples.

    Returns:
        Loss of each observation. Shape (B,).
    """
    return scaled_square(generated, moved(generated, drift), drift.scale).mean((1, 2))


def moved(generated: Tensor, drift: Drift) -> Tensor:
    """Return samples moved along their drift, without gradient. Shape (B, G, S)."""
    return (generated + drift.scale * drift.velocity).detach()


def scaled_square(said: Tensor, goal: Tensor, scale: Tensor) -> Tensor:
    """Return squared differences in units of a scale. Shape of `said`."""
    return ((said - goal) / scale).square()
