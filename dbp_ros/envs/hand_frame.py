"""Meta-World's states in the frame of the hand.

Meta-World's positions are in the world frame, and its goals vary by a decimetre or two. With five
demonstrations a policy generalises to other goals only from relative positions. Columns that are
constant in an episode and unused by the experts are dropped: a policy would overfit to them.
"""

import numpy as np

from dbp_ros.types import Floats

_AXES = ("x", "y", "z")
HAND_FRAME_NAMES = (
    "gripper",
    *(f"object_1_from_hand_{axis}" for axis in _AXES),
    *(f"object_2_from_hand_{axis}" for axis in _AXES),
    *(f"goal_from_hand_{axis}" for axis in _AXES),
    "object_1_z",
)
_HAND, _GRIPPER, _GOAL = slice(0, 3), slice(3, 4), slice(36, 39)
_OBJECT_1, _OBJECT_2 = slice(4, 7), slice(11, 14)
_ALL_OF_OBJECT_2 = slice(11, 18)
_HEIGHT = slice(6, 7)


def to_hand_frame(states: Floats) -> Floats:
    """Return states relative to the hand, named by `HAND_FRAME_NAMES`.

    Zeros in place of a missing second object stay zeros.

    Args:
        states: As observed, named by `metaworld.STATE_NAMES`; positions in [m]. Shape (..., 39).

    Returns:
        Shape (..., 11).
    """
    hand = states[..., _HAND]
    present = (states[..., _ALL_OF_OBJECT_2] != 0).any(-1, keepdims=True)
    columns = [
        states[..., _GRIPPER],
        states[..., _OBJECT_1] - hand,
        np.where(present, states[..., _OBJECT_2] - hand, 0),
        states[..., _GOAL] - hand,
        states[..., _HEIGHT],
    ]
    return np.concatenate(columns, axis=-1, dtype=np.float32)
