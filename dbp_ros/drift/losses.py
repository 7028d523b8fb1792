"""The loss whose gradient moves generated samples along a drifting field."""

from collections.abc import Sequence

from torch import Tensor

from dbp_ros.drift.fields import WIDE_TEMPERATURES, Drift, conditional_drifting


def drift_loss(
    samples: Tensor,
    actions: Tensor,
    *,
    weights: Tensor | None = None,
    negatives: Tensor | None = None,
    temperatures: Sequence[float] = WIDE_TEMPERATURES,
) -> Tensor:
    """Return the loss of `dbp train`: it moves samples along the drifting field.

    The generator determines how many samples lie between modes: wrap your network in a
    `OneStepGenerator`. Annealed temperatures preserve the frequencies of the modes.

    The value stays near the square of the number of temperatures. Measure progress by
    `energy_score`. Demonstrations carry no gradient.

    Args:
        samples: Chunks of the generator for each observation, at least 2 and better 8; normalised
            to about [-1, 1]. Shape (B, G, ...), such as (B, G, horizon, actions).
        actions: The demonstrated chunk of each observation, shape (B, ...), or several, shape
            (B, P, ...); see `nearest_neighbours`.
        weights: Non-negative weights of several actions. Shape (B, P).
        negatives: Further repelling chunks. Shape (B, N, ...).
        temperatures: Kernel widths in units of the observation's mean distance; see
            `TemperatureSchedule`.

    Returns:
        Scalar.

    Raises:
        ValueError: If the shapes do not match, or there is only one sample.
    """
    if samples.ndim < 3:
        raise ValueError(f"expected samples of shape (B, G, ...), got {tuple(samples.shape)}")
    positives = actions.unsqueeze(1) if actions.ndim == samples.ndim - 1 else actions
    for name, points in (("actions", positives), ("negatives", negatives)):
        if points is not None and (
            points.ndim != samples.ndim
            or points.shape[0] != samples.shape[0]
            or points.shape[2:] != samples.shape[2:]
        ):
            raise ValueError(
                f"expected {name} of shape (B, ...) or (B, P, ...) for samples of shape "
                f"{tuple(samples.shape)}, got {tuple(points.shape)}"
            )
    if weights is not None and weights.shape != positives.shape[:2]:
        raise ValueError(
            f"expected weights of shape {tuple(positives.shape[:2])}, got {tuple(weights.shape)}"
        )
    flat = samples.flatten(2)
    drift = conditional_drifting(
        flat.detach(),
        positives.flatten(2),
        negatives=None if negatives is None else negatives.flatten(2),
        positive_weights=weights,
        temperatures=temperatures,
    )
    return scaled_loss(flat, drift).mean()


def scaled_loss(generated: Tensor, drift: Drift) -> Tensor:
    """Return the published loss: the squared drift in units of its scale.

    Its value is nearly constant, because each force is normalised. Its gradient is
    `-2 V / (B G S c)`, arXiv 2602.04770.

    Args:
        generated: Samples, with gradient. Shape (B, G, S).
        drift: The field at these samples.

    Returns:
        Loss of each observation. Shape (B,).
    """
    return scaled_square(generated, drifted_samples(generated, drift), drift.scale).mean((1, 2))


def drifted_samples(generated: Tensor, drift: Drift) -> Tensor:
    """Return samples moved along their drift, without gradient. Shape (B, G, S)."""
    return (generated + drift.scale * drift.velocity).detach()


def scaled_square(prediction: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """Return squared differences in units of a scale. Shape of `prediction`."""
    return ((prediction - target) / scale).square()
