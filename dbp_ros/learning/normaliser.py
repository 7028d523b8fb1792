"""Between what is measured and what a network should see and say.

Arm joints are commanded relative to where they are measured, everything else absolutely; both
are scaled to about [-1, 1] for each point of the chunk. Ranges come from training episodes only,
and never fall below a floor, so the noise of a joint that stands still is not blown up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dbp_ros.learning.config import TrainConfig
from dbp_ros.types import Floats

RADIANS, METRES, UNKNOWN = "rad", "m", ""


def unit_of(name: str) -> str:
    """Return the unit of a column by its name: of an arm joint, a gripper, or unknown."""
    if "gripper" in name:
        return METRES
    return RADIANS if name.endswith("joint") else UNKNOWN


@dataclass(frozen=True)
class SmallestRanges:
    """What moves less is normalised as if it moved this much."""

    rad: float
    m: float
    other: float

    @classmethod
    def of(cls, config: TrainConfig) -> "SmallestRanges":
        """Return what the settings say."""
        return cls(config.smallest_range_rad, config.smallest_range_m, config.smallest_range)

    def each(self, names: Sequence[str]) -> Floats:
        """Return the floor of each column. Shape (columns,)."""
        floors = {RADIANS: self.rad, METRES: self.m, UNKNOWN: self.other}
        return np.array([floors[unit_of(name)] for name in names], np.float32)


def followed_states(
    state_names: Sequence[str], action_names: Sequence[str], relative: bool
) -> Floats:
    """Return which state each action is relative to: 1 for arm joints measured by that name.

    Args:
        state_names: Columns of the states.
        action_names: Columns of the actions.
        relative: False for no relative actions at all.

    Returns:
        Shape (ns, nu).
    """
    return np.array(
        [
            [float(relative and state == action and unit_of(action) == RADIANS)]
            for state in state_names
            for action in action_names
        ],
        np.float32,
    ).reshape(len(state_names), len(action_names))


class Normaliser(nn.Module):
    """Scales of one data set, saved and exported with the weights.

    Attributes:
        follows: Which state each action is relative to. Shape (ns, nu).
        state_centre: In the states' units. Shape (ns,).
        state_half_range: Shape (ns,).
        action_centre: Of relative or absolute actions. Shape (horizon, nu).
        action_half_range: Shape (horizon, nu).
    """

    follows: Tensor
    state_centre: Tensor
    state_half_range: Tensor
    action_centre: Tensor
    action_half_range: Tensor

    def __init__(self, states: int, actions: int, horizon: int) -> None:
        """Build one that changes nothing; `fit_normaliser` builds the real one."""
        super().__init__()
        self.register_buffer("follows", torch.zeros(states, actions))
        self.register_buffer("state_centre", torch.zeros(states))
        self.register_buffer("state_half_range", torch.ones(states))
        self.register_buffer("action_centre", torch.zeros(horizon, actions))
        self.register_buffer("action_half_range", torch.ones(horizon, actions))

    def normalise_states(self, states: Tensor) -> Tensor:
        """Return measured states in about [-1, 1]. Shape (..., ns)."""
        return (states - self.state_centre) / self.state_half_range

    def normalise_actions(self, actions: Tensor, measured: Tensor) -> Tensor:
        """Return what the head should say.

        Args:
            actions: Absolute, in their own units. Shape (..., horizon, nu).
            measured: Newest states. Shape (..., ns).
        """
        offset = actions - (measured @ self.follows).unsqueeze(-2)
        return (offset - self.action_centre) / self.action_half_range

    def absolute_actions(self, normalised: Tensor, measured: Tensor) -> Tensor:
        """Return absolute actions in their own units; inverse of `normalise_actions`."""
        offset = normalised * self.action_half_range + self.action_centre
        return offset + (measured @ self.follows).unsqueeze(-2)

    def describe(self, state_names: Sequence[str], action_names: Sequence[str]) -> dict[str, Any]:
        """Return the ranges column by column, for people."""
        followed = self.follows.sum(0) > 0
        low = (self.action_centre - self.action_half_range).amin(0)
        high = (self.action_centre + self.action_half_range).amax(0)
        return {
            "state": {
                name: {
                    "unit": unit_of(name) or "unknown",
                    "range": _range(
                        self.state_centre[i] - self.state_half_range[i],
                        self.state_centre[i] + self.state_half_range[i],
                    ),
                }
                for i, name in enumerate(state_names)
            },
            "action": {
                name: {
                    "unit": unit_of(name) or "unknown",
                    "meaning": "relative_to_measured" if followed[i] else "absolute",
                    "range": _range(low[i], high[i]),
                }
                for i, name in enumerate(action_names)
            },
        }


def _range(low: Tensor, high: Tensor) -> list[float]:
    return [round(float(low), 5), round(float(high), 5)]


def fit_normaliser(
    follows: Floats,
    states: Floats,
    chunks: Floats,
    state_floor: Floats,
    action_floor: Floats,
) -> Normaliser:
    """Return the scales of training data.

    Args:
        follows: Which state each action is relative to. Shape (ns, nu).
        states: Shape (steps, ns).
        chunks: Absolute action chunk of each step. Shape (steps, horizon, nu).
        state_floor: Smallest range of each state. Shape (ns,).
        action_floor: Smallest range of each action. Shape (nu,).
    """
    offsets = chunks - (states @ follows)[:, None]
    fitted = Normaliser(follows.shape[0], follows.shape[1], chunks.shape[1])
    fitted.follows.copy_(torch.from_numpy(follows))
    for name, values, floor in (
        ("state", states, state_floor),
        ("action", offsets, action_floor),
    ):
        low, high = values.min(0), values.max(0)
        getattr(fitted, f"{name}_centre").copy_(torch.from_numpy((low + high) / 2))
        half_range = np.maximum(high - low, floor) / 2
        getattr(fitted, f"{name}_half_range").copy_(torch.from_numpy(half_range))
    return fitted
