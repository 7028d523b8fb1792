"""Meta-World's states as the hand sees them.

Meta-World places everything in the world; its goals move by a decimetre or two. A policy that has
seen five of them in the world's frame must guess at the sixth, while most of what is seen from the
hand looks the same whatever the goal. What an episode never changes and no expert asks for
(orientations, the way from the object to the goal) is left out: with five demonstrations it tells
them apart by heart.
"""

import numpy as np

from dbp_ros.types import Floats

_AXES = ("x", "y", "z")
SEEN_NAMES = (
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


def seen_from_hand(states: Floats) -> Floats:
    """Return states relative to the hand, named by `SEEN_NAMES`.

    A task without a second object has zeros in its place; those stay zeros.

    Args:
        states: As observed, named by `metaworld.STATE_NAMES`; positions in [m]. Shape (..., 39).

    Returns:
        Shape (..., 11).
    """
    hand = states[..., _HAND]
    there = (states[..., _ALL_OF_OBJECT_2] != 0).any(-1, keepdims=True)
    seen = [
        states[..., _GRIPPER],
        states[..., _OBJECT_1] - hand,
        np.where(there, states[..., _OBJECT_2] - hand, 0),
        states[..., _GOAL] - hand,
        states[..., _HEIGHT],
    ]
    return np.concatenate(seen, axis=-1, dtype=np.float32)
