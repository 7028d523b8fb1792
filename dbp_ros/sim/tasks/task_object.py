"""State of the objects of a task, for policies without images."""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from dbp_ros.settings.dual_ur5e import SIDES
from dbp_ros.types import Array

AXES = ("x", "y", "z")


@dataclass(frozen=True)
class TaskObject:
    """A body whose pose is part of a task's state.

    Attributes:
        body: Name of the body in the scene.
        symmetry: Order of the rotational symmetry about the upright axis: 4 for a cube, 2 for a
            bar, 0 for a round object.
    """

    body: str
    symmetry: int

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the columns of `state`."""
        offsets = [f"from_{side}_{axis}" for side in SIDES for axis in AXES]
        turn = ("turn_cos", "turn_sin") if self.symmetry else ()
        return tuple(f"{self.body}_{part}" for part in (*AXES, "up_x", "up_y", *turn, *offsets))

    def state(self, data: mujoco.MjData) -> Array:
        """Return the pose.

        Returns:
            Position in the world in [m]; x and y of the upright axis, zero for a level object;
            cosine and sine of `symmetry` times the yaw, scaled down with the tilt, so that the
            state is continuous and equal for equal views; position relative to each tool centre,
            left first, in world axes in [m]. Shape (13,), or (11,) for a round object.
        """
        body = data.body(self.body)
        rotation = body.xmat.reshape(3, 3)
        turn = complex(rotation[0, 0], rotation[1, 0]) ** self.symmetry
        return np.concatenate(
            [
                body.xpos,
                rotation[:2, 2],
                (turn.real, turn.imag) if self.symmetry else (),
                *(body.xpos - data.site(f"{side}_tcp").xpos for side in SIDES),
            ]
        )


def object_state_names(objects: Sequence[TaskObject]) -> tuple[str, ...]:
    """Return the names of the columns of `object_states`."""
    return tuple(name for item in objects for name in item.state_names)


def object_states(objects: Sequence[TaskObject], data: mujoco.MjData) -> Array:
    """Return the concatenated states of objects, in [m] and without unit. Shape (nt,)."""
    return np.concatenate([item.state(data) for item in objects])
