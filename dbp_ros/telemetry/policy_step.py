"""Sampled action of an exploring policy with the inputs of its log-probability, as JSON.

float32 values are exact after a round trip: JSON contains their exact decimal form.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.settings.fields import from_json, to_json
from dbp_ros.types import Array, Floats

HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True)
class PolicyStep:
    """Sampled action with its inputs, distribution and log-probability.

    Attributes:
        sha256: Identifier of the bundle that computed it.
        version: Version of that bundle.
        number: Count of the samples of one policy process.
        episode: Count of the episodes of one policy process.
        stamp_ns: Time of measurement of the newest positions.
        image_stamps_ns: Time of the newest image of each camera.
        positions: Joint positions used, oldest first, in [rad] and [m]. Shape (history, nu).
        latent: Input noise of the mean. Shape (horizon, columns of the network).
        normalised: The sampled chunk, normalised, not clipped. Same shape.
        log_std: Logarithm of the standard deviations. Same shape.
        action: The executed points, absolute, in [rad] and [m]. Shape (executed, nu).
        log_prob: Log-probability density of the executed points.
        executed: Number of executed points, from the first.
        noise: Exploration noise of the sample, in standard deviations; null in a bag of an earlier
            version. Same shape as the latent.
    """

    sha256: str
    version: int
    number: int
    episode: int
    stamp_ns: int
    image_stamps_ns: dict[str, int]
    positions: Floats
    latent: Floats
    normalised: Floats
    log_std: Floats
    action: Floats
    log_prob: float
    executed: int
    noise: Floats | None = None

    def with_stamps(self, to_clock: Callable[[int], int]) -> "PolicyStep":
        """Return a copy with its stamps on another clock.

        Args:
            to_clock: Converts a time in [ns].
        """
        stamps = {camera: to_clock(ns) for camera, ns in self.image_stamps_ns.items()}
        return replace(self, stamp_ns=to_clock(self.stamp_ns), image_stamps_ns=stamps)

    def to_json(self) -> str:
        """Return the step as one line."""
        return to_json(self)


def parse_policy_step(text: str) -> PolicyStep:
    """Parse a line of `PolicyStep.to_json`.

    Raises:
        EpisodeError: If it is invalid.
    """
    try:
        step = from_json(PolicyStep, text)
    except ConfigError as error:
        raise EpisodeError(f"a policy step cannot be read: {error}") from error
    shape = step.normalised.shape
    # The network may have other columns than the joints, which are measured and commanded.
    joints = step.positions.shape[1:]
    expected = {"latent": shape, "log_std": shape, "action": (step.executed, *joints)}
    if step.noise is not None:
        expected["noise"] = shape
    found = {name: getattr(step, name).shape for name in expected}
    if len(shape) != 2 or found != expected or step.positions.ndim != 2:
        raise EpisodeError(f"a step has shapes {found}, expected {expected} with two axes each")
    if not 1 <= step.executed <= len(step.normalised):
        raise EpisodeError(f"executed = {step.executed} of a step, expected from 1 to the horizon")
    return step


def log_density(noise: Floats | Array, log_std: Floats, executed: int) -> float:
    """Return the log density of the first points of a sampled chunk.

    Args:
        noise: Deviation from the mean in standard deviations. Shape (horizon, nu).
        log_std: Shape (horizon, nu).
        executed: Number of points.
    """
    scaled, log_scale = (np.asarray(v[:executed], np.float64) for v in (noise, log_std))
    return float((-0.5 * scaled**2 - log_scale - HALF_LOG_TAU).sum())
