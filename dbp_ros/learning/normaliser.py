"""Between what joints measure and what a network should see and say.

Arm joints are commanded relative to where they are measured, grippers absolutely; both are
scaled to about [-1, 1] for each point of the chunk. Ranges come from training episodes only, and
never fall below a floor, so the noise of a joint that stands still is not blown up.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dbp_ros.contract import Floats


def is_gripper(joint: str) -> bool:
    """Return whether a joint is a gripper, whose unit is [m] and whose target is absolute."""
    return "gripper" in joint


class Normaliser(nn.Module):
    """Scales of one data set, saved and exported with the weights.

    Attributes:
        relative: 1 for joints whose actions are relative to the measurement. Shape (nu,).
        position_centre: In [rad] and [m]. Shape (nu,).
        position_half_range: Shape (nu,).
        action_centre: Of relative arm and absolute gripper actions. Shape (horizon, nu).
        action_half_range: Shape (horizon, nu).
    """

    relative: Tensor
    position_centre: Tensor
    position_half_range: Tensor
    action_centre: Tensor
    action_half_range: Tensor

    def __init__(self, joints: int, horizon: int) -> None:
        """Build one that changes nothing; `fit_normaliser` builds the real one."""
        super().__init__()
        self.register_buffer("relative", torch.zeros(joints))
        self.register_buffer("position_centre", torch.zeros(joints))
        self.register_buffer("position_half_range", torch.ones(joints))
        self.register_buffer("action_centre", torch.zeros(horizon, joints))
        self.register_buffer("action_half_range", torch.ones(horizon, joints))

    def normalise_positions(self, positions: Tensor) -> Tensor:
        """Return measured positions in about [-1, 1]. Shape (..., nu)."""
        return (positions - self.position_centre) / self.position_half_range

    def normalise_actions(self, actions: Tensor, measured: Tensor) -> Tensor:
        """Return what the generator should say.

        Args:
            actions: Absolute, in [rad] and [m]. Shape (..., horizon, nu).
            measured: Newest positions. Shape (..., nu).
        """
        offset = actions - (measured * self.relative).unsqueeze(-2)
        return (offset - self.action_centre) / self.action_half_range

    def absolute_actions(self, normalised: Tensor, measured: Tensor) -> Tensor:
        """Return absolute joint positions in [rad] and [m]; inverse of `normalise_actions`."""
        offset = normalised * self.action_half_range + self.action_centre
        return offset + (measured * self.relative).unsqueeze(-2)

    def describe(self, joints: Sequence[str]) -> dict[str, Any]:
        """Return the ranges joint by joint, for people."""
        low = (self.action_centre - self.action_half_range).min(0).values
        high = (self.action_centre + self.action_half_range).max(0).values
        return {
            joint: {
                "unit": "m" if is_gripper(joint) else "rad",
                "action": "relative_to_measured" if self.relative[i] else "absolute",
                "position_range": _rounded(
                    self.position_centre[i] - self.position_half_range[i],
                    self.position_centre[i] + self.position_half_range[i],
                ),
                "action_range": _rounded(low[i], high[i]),
            }
            for i, joint in enumerate(joints)
        }


def _rounded(low: Tensor, high: Tensor) -> list[float]:
    return [round(float(low), 5), round(float(high), 5)]


def fit_normaliser(
    joints: Sequence[str],
    positions: Floats,
    chunks: Floats,
    smallest_range_rad: float,
    smallest_range_m: float,
) -> Normaliser:
    """Return the scales of training data.

    Args:
        joints: Names of the columns.
        positions: Shape (steps, nu).
        chunks: Absolute action chunk of each step. Shape (steps, horizon, nu).
        smallest_range_rad: Floor under the range of an arm joint.
        smallest_range_m: Floor under the range of a gripper.
    """
    grippers = np.array([is_gripper(joint) for joint in joints])
    floor = np.where(grippers, smallest_range_m, smallest_range_rad)
    relative = (~grippers).astype(np.float32)
    offsets = chunks - (positions * relative)[:, None]
    fitted = Normaliser(len(joints), chunks.shape[1])
    fitted.relative.copy_(torch.from_numpy(relative))
    for name, values in (("position", positions), ("action", offsets)):
        low, high = values.min(0), values.max(0)
        getattr(fitted, f"{name}_centre").copy_(torch.from_numpy((low + high) / 2))
        half_range = np.maximum(high - low, floor) / 2
        getattr(fitted, f"{name}_half_range").copy_(torch.from_numpy(half_range))
    return fitted
