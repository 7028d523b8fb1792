"""What a policy that sees states, and no pictures, is told about the things on the table."""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from dbp_ros.settings.robot import SIDES
from dbp_ros.types import Array

AXES = ("x", "y", "z")


@dataclass(frozen=True)
class TaskObject:
    """A body whose pose matters to a task.

    Attributes:
        body: Its name in the scene.
        symmetry: How often it looks the same in one turn about its upright axis: 4 for a cube, 2
            for a bar, 0 for what is round.
    """

    body: str
    symmetry: int

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of what `state` returns, in order."""
        offsets = [f"from_{side}_{axis}" for side in SIDES for axis in AXES]
        turn = ("turn_cos", "turn_sin") if self.symmetry else ()
        return tuple(f"{self.body}_{part}" for part in (*AXES, "up_x", "up_y", *turn, *offsets))

    def state(self, data: mujoco.MjData) -> Array:
        """Return its pose.

        Returns:
            Position in the world in [m]; x and y of its upright axis, which is (0, 0, 1) where it
            stands level; cosine and sine of `symmetry` times its yaw, which fade where it tips, so
            that nothing jumps and what looks the same is told the same; position from the centre
            of each tool, left first, along the axes of the world in [m]. Shape (13,), or (11,) if
            it is round.
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


def names_of(things: Sequence[TaskObject]) -> tuple[str, ...]:
    """Return the names of the states of several things."""
    return tuple(name for thing in things for name in thing.state_names)


def states_of(things: Sequence[TaskObject], data: mujoco.MjData) -> Array:
    """Return the states of several things, in [m] and without unit. Shape (nt,)."""
    return np.concatenate([thing.state(data) for thing in things])
