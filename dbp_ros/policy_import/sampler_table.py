"""Samplers of denoising networks as timesteps and six coefficients for each step.

With the sample `x`, the output `y` of the network and the limit `c`, every sampler is

    clean = clip(p x + q y, -c, c),  noise = r x + s y,  next x = u clean + w noise.
"""

from dataclasses import dataclass

import numpy as np

from dbp_ros.settings.denoiser import Denoiser
from dbp_ros.types import Array, Indices

MAX_BETA, OFFSET = 0.999, 0.008


@dataclass(frozen=True)
class SamplerTable:
    """Steps of a sampler, in the order of the calls.

    Attributes:
        times: Timestep of each call. Shape (steps,).
        coefficients: Columns p, q, r, s, u and w. Shape (steps, 6).
        limit: Largest magnitude of the clean chunk; infinite without one.
    """

    times: Array
    coefficients: Array
    limit: float


def sampler_table(denoiser: Denoiser) -> SamplerTable:
    """Return the steps of a sampler."""
    if denoiser.sampler == "flow":
        return _flow(denoiser)
    return _ddim(denoiser)


def _flow(denoiser: Denoiser) -> SamplerTable:
    """Return Euler steps of equal size along a velocity."""
    start, end = denoiser.times
    count = denoiser.num_inference_steps
    step = (end - start) / count
    rows = np.tile([0.0, 0.0, 1.0, step, 0.0, 1.0], (count, 1))
    times = start + step * np.arange(count, dtype=np.float64)
    return SamplerTable(denoiser.timestep_scale * times, rows, np.inf)


def _ddim(denoiser: Denoiser) -> SamplerTable:
    """Return the steps of arXiv 2010.02502, (12), with eta = 0.

    The noise is that of the network, also where the clean chunk is clipped.
    """
    products = np.cumprod(1.0 - _betas(denoiser))
    times = _timesteps(denoiser)
    previous = times - denoiser.num_train_timesteps // denoiser.num_inference_steps
    rows = []
    for time, before in zip(times, previous, strict=True):
        alpha = products[time]
        root, rest = np.sqrt(alpha), np.sqrt(1.0 - alpha)
        estimates = {
            "epsilon": (1 / root, -rest / root, 0.0, 1.0),
            "sample": (0.0, 1.0, 1 / rest, -root / rest),
            "v_prediction": (root, -rest, rest, root),
        }[denoiser.prediction_type]
        following = products[before] if before >= 0 else 1.0
        rows.append((*estimates, np.sqrt(following), np.sqrt(1.0 - following)))
    return SamplerTable(times.astype(np.float64), np.array(rows), denoiser.clip_limit)


def _betas(denoiser: Denoiser) -> Array:
    """Return the noise schedule. Shape (num_train_timesteps,)."""
    count, start, end = denoiser.num_train_timesteps, denoiser.beta_start, denoiser.beta_end
    if denoiser.beta_schedule == "linear":
        return np.linspace(start, end, count)
    if denoiser.beta_schedule == "scaled_linear":
        return np.linspace(np.sqrt(start), np.sqrt(end), count) ** 2
    # The cosine schedule of arXiv 2102.09672, (17).
    shares = (np.arange(count + 1) / count + OFFSET) / (1 + OFFSET)
    remaining = np.cos(shares * np.pi / 2) ** 2
    betas: Array = np.minimum(1 - remaining[1:] / remaining[:-1], MAX_BETA)
    return betas


def _timesteps(denoiser: Denoiser) -> Indices:
    """Return the timesteps, the noisiest first. Shape (num_inference_steps,)."""
    total, count = denoiser.num_train_timesteps, denoiser.num_inference_steps
    if denoiser.timestep_spacing == "linspace":
        return np.linspace(0, total - 1, count).round().astype(np.int64)[::-1]
    if denoiser.timestep_spacing == "trailing":
        return np.round(total - np.arange(count) * total / count).astype(np.int64) - 1
    return np.arange(count, dtype=np.int64)[::-1] * (total // count)
