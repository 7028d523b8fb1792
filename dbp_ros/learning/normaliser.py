"""Normalisation of states and actions to about [-1, 1].

Actions of arm joints are relative to the measured position, all others absolute; actions of end
effectors are in `end_effector_actions`. Each point of the chunk has its own scale. Ranges come from
the training episodes and have a lower bound, so the noise of a joint at rest is not amplified.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dbp_ros.data.units import BY_NAME, METRES, RADIANS, UNKNOWN, ColumnUnits
from dbp_ros.learning.config import TrainConfig
from dbp_ros.types import Floats

# Rows of a data set that are fitted at a time.
FITTED_ROWS = 4096


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

    def each(self, units: Iterable[str]) -> Floats:
        """Return the lower bound of each column by its unit. Shape (columns,)."""
        bounds = {RADIANS: self.rad, METRES: self.m, UNKNOWN: self.other}
        return np.array([bounds[unit] for unit in units], np.float32)


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
            [float(relative and state == action and _is_arm_joint(action, units))]
            for state in state_names
            for action in action_names
        ],
        np.float32,
    ).reshape(len(state_names), len(action_names))


def _is_arm_joint(column: str, units: ColumnUnits) -> bool:
    return units.of(column) == RADIANS and not units.is_gripper(column)


@dataclass(frozen=True)
class ActionColumn:
    """Name, unit and meaning of one column of an action before scaling."""

    name: str
    unit: str
    meaning: str


class Normaliser(nn.Module, ABC):
    """Scales of a data set, saved and exported with the weights.

    Attributes:
        state_centre: In the states' units. Shape (ns,).
        state_half_range: Shape (ns,).
        action_centre: Of relative or absolute actions. Shape (horizon, columns).
        action_half_range: Shape (horizon, columns).
    """

    state_centre: Tensor
    state_half_range: Tensor
    action_centre: Tensor
    action_half_range: Tensor

    def __init__(self, states: int, actions: int, horizon: int) -> None:
        """Build the identity; see `fit`."""
        super().__init__()
        self.register_buffer("state_centre", torch.zeros(states))
        self.register_buffer("state_half_range", torch.ones(states))
        self.register_buffer("action_centre", torch.zeros(horizon, actions))
        self.register_buffer("action_half_range", torch.ones(horizon, actions))

    def normalise_states(self, states: Tensor) -> Tensor:
        """Return measured states in about [-1, 1]. Shape (..., ns)."""
        return (states - self.state_centre) / self.state_half_range

    @property
    def action_size(self) -> int:
        """Number of columns of a normalised action."""
        return int(self.action_centre.shape[1])

    def normalise_actions(self, actions: Tensor, measured: Tensor) -> Tensor:
        """Return normalised actions.

        Args:
            actions: Absolute, in their own units. Shape (..., horizon, nu).
            measured: Newest states. Shape (..., ns).
        """
        return (self.offsets(actions, measured) - self.action_centre) / self.action_half_range

    def absolute_actions(self, normalised: Tensor, measured: Tensor) -> Tensor:
        """Return absolute actions in their own units; inverse of `normalise_actions`."""
        offsets = normalised * self.action_half_range + self.action_centre
        return self.restored(offsets, measured)

    @abstractmethod
    def offsets(self, actions: Tensor, measured: Tensor) -> Tensor:
        """Return actions in the space of the network before scaling."""

    @abstractmethod
    def restored(self, offsets: Tensor, measured: Tensor) -> Tensor:
        """Return absolute actions; inverse of `offsets`."""

    @abstractmethod
    def action_columns(self, action_names: Sequence[str], units: ColumnUnits) -> list[ActionColumn]:
        """Return the columns of an action before scaling."""

    def fit(
        self, states: Floats, chunks: Floats, state_floor: Floats, action_floor: Floats
    ) -> None:
        """Fit the scales to training data.

        Args:
            states: Shape (steps, ns).
            chunks: Absolute action chunk of each step. Shape (steps, horizon, nu).
            state_floor: Lower bound of each state's range. Shape (ns,).
            action_floor: Lower bound of the range of each column before scaling.
        """
        tensors = torch.from_numpy(chunks), torch.from_numpy(states)
        parts = zip(*(torch.split(tensor, FITTED_ROWS) for tensor in tensors), strict=True)
        offsets = [self.offsets(*part) for part in parts]
        for name, values, floor in (
            ("state", states, state_floor),
            ("action", torch.cat(offsets).numpy(), action_floor),
        ):
            low, high = values.min(0), values.max(0)
            getattr(self, f"{name}_centre").copy_(torch.from_numpy((low + high) / 2))
            half_range = np.maximum(high - low, floor) / 2
            getattr(self, f"{name}_half_range").copy_(torch.from_numpy(half_range))

    def describe(
        self,
        state_names: Sequence[str],
        action_names: Sequence[str],
        units: ColumnUnits = BY_NAME,
    ) -> dict[str, Any]:
        """Return the range of each column, for the manifest."""
        low = (self.action_centre - self.action_half_range).amin(0)
        high = (self.action_centre + self.action_half_range).amax(0)
        columns = self.action_columns(action_names, units)
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
                column.name: {
                    "unit": column.unit or "unknown",
                    "meaning": column.meaning,
                    "range": _range(low[i], high[i]),
                }
                for i, column in enumerate(columns)
            },
        }


def _range(low: Tensor, high: Tensor) -> list[float]:
    return [round(float(low), 5), round(float(high), 5)]


class JointNormaliser(Normaliser):
    """Scales of actions in their own units, relative to measured states where configured.

    Attributes:
        relative_to: 1 where an action is relative to a state. Shape (ns, nu).
    """

    relative_to: Tensor

    def __init__(self, states: int, actions: int, horizon: int) -> None:
        """Build the identity; see `Normaliser.fit`."""
        super().__init__(states, actions, horizon)
        self.register_buffer("relative_to", torch.zeros(states, actions))

    def offsets(self, actions: Tensor, measured: Tensor) -> Tensor:
        """Return actions relative to the measured states where configured."""
        return actions - (measured @ self.relative_to).unsqueeze(-2)

    def restored(self, offsets: Tensor, measured: Tensor) -> Tensor:
        """Return absolute actions."""
        return offsets + (measured @ self.relative_to).unsqueeze(-2)

    def action_columns(self, action_names: Sequence[str], units: ColumnUnits) -> list[ActionColumn]:
        """Return the columns of an action before scaling."""
        relative = self.relative_to.sum(0) > 0
        return [
            ActionColumn(name, units.of(name), "relative_to_measured" if one else "absolute")
            for name, one in zip(action_names, relative, strict=True)
        ]
