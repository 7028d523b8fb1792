"""What an exploring policy decided, with all that the likelihood of it needs, as one line of JSON.

Every number that is float32 comes back as the same float32: JSON holds its exact decimal form.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from dbp_ros.errors import EpisodeError
from dbp_ros.settings.json_fields import parse_fields
from dbp_ros.types import Array, Floats

HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
ARRAYS = ("positions", "latent", "normalised", "log_std", "action")
KINDS: dict[str, type] = {
    "sha256": str,
    **dict.fromkeys(("version", "number", "episode", "stamp_ns", "executed"), int),
    "image_stamps_ns": dict,
    "log_prob": float,
    **dict.fromkeys(ARRAYS, list),
}


@dataclass(frozen=True)
class PolicyStep:
    """One draw from a policy's law, and how much of it is played.

    Attributes:
        sha256: Of the bundle that decided.
        version: Of that bundle.
        number: Counts the decisions of one run of the policy.
        episode: Counts the episodes of one run of the policy.
        stamp_ns: When the newest positions were measured.
        image_stamps_ns: When the newest picture of each camera was taken.
        positions: Joint positions used, oldest first, in [rad] and [m]. Shape (history, nu).
        latent: What the mean was made from. Shape (horizon, nu).
        normalised: The sampled chunk, normalised, not clipped. Shape (horizon, nu).
        log_std: Logarithm of the standard deviations. Shape (horizon, nu).
        action: The points that are played, absolute, in [rad] and [m]. Shape (executed, nu).
        log_prob: Log density of the points that are played.
        executed: How many points are played, from the first on.
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

    def converted(self, to_clock: Callable[[int], int]) -> "PolicyStep":
        """Return the same decision with its stamps on another clock.

        Args:
            to_clock: Converts a time in [ns].
        """
        stamps = {camera: to_clock(ns) for camera, ns in self.image_stamps_ns.items()}
        return replace(self, stamp_ns=to_clock(self.stamp_ns), image_stamps_ns=stamps)

    def to_json(self) -> str:
        """Return the decision as one line."""
        return json.dumps(asdict(self) | {name: getattr(self, name).tolist() for name in ARRAYS})


def parse_policy_step(text: str) -> PolicyStep:
    """Return the decision that a line of JSON stands for.

    Raises:
        EpisodeError: If it is none.
    """
    try:
        values = parse_fields(text, KINDS)
        arrays = {name: _numbers(name, values[name]) for name in ARRAYS}
        decision = PolicyStep(**values | arrays)
        _require_counts(decision)
    except ValueError as error:
        raise EpisodeError(f"a decision cannot be read: {error}") from error
    shape = decision.normalised.shape
    wanted = {"latent": shape, "log_std": shape, "action": (decision.executed, *shape[1:])}
    found = {name: getattr(decision, name).shape for name in wanted}
    if len(shape) != 2 or found != wanted or decision.positions.ndim != 2:
        raise EpisodeError(f"a decision has shapes {found}, expected {wanted} with two axes each")
    return decision


def _numbers(name: str, values: list[Any]) -> Floats:
    """Return lists of numbers as an array; raise `ValueError` unless all are finite."""
    found = np.array(values)
    with np.errstate(over="ignore"):
        numbers = found.astype(np.float32) if found.dtype.kind in "if" else None
    if numbers is None or not np.isfinite(numbers).all():
        raise ValueError(f"{name} is not an array of finite numbers")
    return numbers


def _require_counts(decision: PolicyStep) -> None:
    """Raise `ValueError` unless stamps and counts are what they may be."""
    if not all(type(stamp_ns) is int for stamp_ns in decision.image_stamps_ns.values()):
        raise ValueError(f"image_stamps_ns is {decision.image_stamps_ns}, expected whole numbers")
    if not 1 <= decision.executed <= len(decision.normalised):
        raise ValueError(f"executed is {decision.executed}, expected from 1 to the horizon")


def log_density(noise: Floats | Array, log_std: Floats, executed: int) -> float:
    """Return the log density of the first points of a sampled chunk.

    Args:
        noise: Distance from the mean in standard deviations. Shape (horizon, nu).
        log_std: Shape (horizon, nu).
        executed: How many points count.
    """
    apart, spread = (np.asarray(v[:executed], np.float64) for v in (noise, log_std))
    return float((-0.5 * apart**2 - spread - HALF_LOG_TAU).sum())
