"""Normalisation of states and actions to about [-1, 1].

Actions of arm joints are relative to the measured position, all others absolute. Each point of the
chunk has its own scale. Ranges come from the training episodes and have a lower bound, so the noise
of a joint at rest is not amplified.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dbp_ros.data.units import BY_NAME, METRES, RADIANS, UNKNOWN, ColumnUnits
from dbp_ros.learning.config import TrainConfig
from dbp_ros.types import Floats


@dataclass(frozen=True)
class SmallestRanges:
    """Lower bounds of the ranges."""

    rad: float
    m: float
    other: float

    @classmethod
    def of(cls, config: TrainConfig) -> "SmallestRanges":
        """Return the bounds of a configuration."""
        return cls(config.smallest_range_rad, config.smallest_range_m, config.smallest_range)

    def each(self, names: Sequence[str], units: ColumnUnits = BY_NAME) -> Floats:
        """Return the lower bound of each column. Shape (columns,)."""
        bounds = {RADIANS: self.rad, METRES: self.m, UNKNOWN: self.other}
        return np.array([bounds[units.of(name)] for name in names], np.float32)


def relative_columns(
    state_names: Sequence[str],
    action_names: Sequence[str],
    relative: bool,
    units: ColumnUnits = BY_NAME,
) -> Floats:
    """Return a 1 where an action is relative to a state: arm joints of the same name.

    Args:
        state_names: Columns of the states.
        action_names: Columns of the actions.
        relative: False for absolute actions only.
        units: Units of the columns.

    Returns:
        Shape (ns, nu).
    """
    return np.array(
        [
            [float(relative and state == action and units.of(action) == RADIANS)]
            for state in state_names
            for action in action_names
        ],
        np.float32,
    ).reshape(len(state_names), len(action_names))


class Normaliser(nn.Module):
    """Scales of a data set, saved and exported with the weights.

    Attributes:
        relative_to: 1 where an action is relative to a state. Shape (ns, nu).
        state_centre: In the states' units. Shape (ns,).
        state_half_range: Shape (ns,).
        action_centre: Of relative or absolute actions. Shape (horizon, nu).
        action_half_range: Shape (horizon, nu).
    """

    relative_to: Tensor
    state_centre: Tensor
    state_half_range: Tensor
    action_centre: Tensor
    action_half_range: Tensor

    def __init__(self, states: int, actions: int, horizon: int) -> None:
        """Build the identity; see `fit_normaliser`."""
        super().__init__()
        self.register_buffer("relative_to", torch.zeros(states, actions))
        self.register_buffer("state_centre", torch.zeros(states))
        self.register_buffer("state_half_range", torch.ones(states))
        self.register_buffer("action_centre", torch.zeros(horizon, actions))
        self.register_buffer("action_half_range", torch.ones(horizon, actions))

    def normalise_states(self, states: Tensor) -> Tensor:
        """Return measured states in about [-1, 1]. Shape (..., ns)."""
        return (states - self.state_centre) / self.state_half_range

    def normalise_actions(self, actions: Tensor, measured: Tensor) -> Tensor:
        """Return normalised actions.

        Args:
            actions: Absolute, in their own units. Shape (..., horizon, nu).
            measured: Newest states. Shape (..., ns).
        """
        offset = actions - (measured @ self.relative_to).unsqueeze(-2)
        return (offset - self.action_centre) / self.action_half_range

    def absolute_actions(self, normalised: Tensor, measured: Tensor) -> Tensor:
        """Return absolute actions in their own units; inverse of `normalise_actions`."""
        offset = normalised * self.action_half_range + self.action_centre
        return offset + (measured @ self.relative_to).unsqueeze(-2)

    def describe(
        self,
        state_names: Sequence[str],
        action_names: Sequence[str],
        units: ColumnUnits = BY_NAME,
    ) -> dict[str, Any]:
        """Return the range of each column, for the manifest."""
        relative = self.relative_to.sum(0) > 0
        low = (self.action_centre - self.action_half_range).amin(0)
        high = (self.action_centre + self.action_half_range).amax(0)
        return {
            "state": {
                name: {
                    "unit": units.of(name) or "unknown",
                    "range": _range(
                        self.state_centre[i] - self.state_half_range[i],
                        self.state_centre[i] + self.state_half_range[i],
                    ),
                }
                for i, name in enumerate(state_names)
            },
            "action": {
                name: {
                    "unit": units.of(name) or "unknown",
                    "meaning": "relative_to_measured" if relative[i] else "absolute",
                    "range": _range(low[i], high[i]),
                }
                for i, name in enumerate(action_names)
            },
        }


def _range(low: Tensor, high: Tensor) -> list[float]:
    return [round(float(low), 5), round(float(high), 5)]


def fit_normaliser(
    relative_to: Floats,
    states: Floats,
    chunks: Floats,
    state_floor: Floats,
    action_floor: Floats,
) -> Normaliser:
    """Fit the scales of training data.

    Args:
        relative_to: From `relative_columns`. Shape (ns, nu).
        states: Shape (steps, ns).
        chunks: Absolute action chunk of each step. Shape (steps, horizon, nu).
        state_floor: Lower bound of each state's range. Shape (ns,).
        action_floor: Lower bound of each action's range. Shape (nu,).
    """
    offsets = chunks - (states @ relative_to)[:, None]
    fitted = Normaliser(relative_to.shape[0], relative_to.shape[1], chunks.shape[1])
    fitted.relative_to.copy_(torch.from_numpy(relative_to))
    for name, values, floor in (
        ("state", states, state_floor),
        ("action", offsets, action_floor),
    ):
        low, high = values.min(0), values.max(0)
        getattr(fitted, f"{name}_centre").copy_(torch.from_numpy((low + high) / 2))
        half_range = np.maximum(high - low, floor) / 2
        getattr(fitted, f"{name}_half_range").copy_(torch.from_numpy(half_range))
    return fitted
