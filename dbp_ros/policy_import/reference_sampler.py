"""Samplers of denoising networks in NumPy: the reference of an import.

It shares no code with the graph of the sampler, so that equal actions prove the import.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from dbp_ros.settings.denoiser import Denoiser
from dbp_ros.types import Array

Predict = Callable[[Array, float], Array]


def sample(predict: Predict, noise: Array, denoiser: Denoiser) -> Array:
    """Return a sampled chunk.

    Args:
        predict: The network: a noisy chunk and its timestep to its output.
        noise: Standard normal noise of the shape of a chunk.
        denoiser: The sampler.
    """
    if denoiser.sampler == "flow":
        return _integrate(predict, noise, denoiser)
    return _denoise(predict, noise, denoiser)


def _integrate(predict: Predict, value: Array, denoiser: Denoiser) -> Array:
    times = np.linspace(*denoiser.times, denoiser.num_inference_steps + 1)
    for time, following in pairwise(times):
        value = value + (following - time) * predict(value, time * denoiser.timestep_scale)
    return value


def _denoise(predict: Predict, value: Array, denoiser: Denoiser) -> Array:
    total, steps = denoiser.num_train_timesteps, denoiser.num_inference_steps
    alphas = [1.0 - beta for beta in _betas(denoiser, total)]
    for index in range(steps):
        time = _timestep(denoiser, total, steps, index)
        signal = float(np.prod(alphas[: time + 1]))
        previous = time - total // steps
        output = predict(value, time)
        if denoiser.prediction_type == "epsilon":
            noise = output
            clean = (value - (1 - signal) ** 0.5 * noise) / signal**0.5
        elif denoiser.prediction_type == "sample":
            clean = output
            noise = (value - signal**0.5 * clean) / (1 - signal) ** 0.5
        else:
            clean = signal**0.5 * value - (1 - signal) ** 0.5 * output
            noise = signal**0.5 * output + (1 - signal) ** 0.5 * value
        clean = clean.clip(-denoiser.clip_limit, denoiser.clip_limit)
        signal = float(np.prod(alphas[: previous + 1])) if previous >= 0 else 1.0
        value = signal**0.5 * clean + (1 - signal) ** 0.5 * noise
    return value


def _betas(denoiser: Denoiser, total: int) -> list[float]:
    start, end = denoiser.beta_start, denoiser.beta_end
    shares = [index / max(1, total - 1) for index in range(total)]
    if denoiser.beta_schedule == "linear":
        return [start + share * (end - start) for share in shares]
    if denoiser.beta_schedule == "scaled_linear":
        return [(start**0.5 + share * (end**0.5 - start**0.5)) ** 2 for share in shares]

    def remaining(share: float) -> float:
        return float(np.cos((share + 0.008) / 1.008 * np.pi / 2) ** 2)

    return [
        min(1 - remaining((index + 1) / total) / remaining(index / total), 0.999)
        for index in range(total)
    ]


def _timestep(denoiser: Denoiser, total: int, steps: int, index: int) -> int:
    if denoiser.timestep_spacing == "trailing":
        return int(np.round(total - index * total / steps)) - 1
    if denoiser.timestep_spacing == "linspace":
        return int(np.round((steps - 1 - index) * (total - 1) / max(1, steps - 1)))
    return (steps - 1 - index) * (total // steps)
