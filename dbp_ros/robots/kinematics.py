"""Forward kinematics of a URDF."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.robots.urdf import Joint, Urdf
from dbp_ros.settings.parameter_yaml import suggestion
from dbp_ros.types import Array


class Kinematics:
    """Poses of the links of a robot in the frame of the root link.

    Attributes:
        links: Names of the links, in the order of the poses.
    """

    def __init__(
        self, urdf: Urdf, joints: Sequence[str], links: Sequence[str] | None = None
    ) -> None:
        """Prepare the poses of some links.

        Args:
            urdf: The robot.
            joints: Joints of a position vector, in its order. Other joints stay at zero; those that
                mimic a joint follow it.
            links: Links; None for all.

        Raises:
            ConfigError: If a joint or link is unknown, or a joint is fixed or mimics another one.
        """
        for name in joints:
            joint = urdf.joints.get(name)
            if joint is None:
                guess = suggestion(name, [j.name for j in urdf.joints.values() if j.moves])
                raise ConfigError(f"joint {name} is not in the URDF{guess}")
            if not joint.moves or joint.mimic:
                what = f"mimics {joint.mimic.joint}" if joint.mimic else "is fixed"
                raise ConfigError(f"joint {name} {what} in the URDF: it cannot be commanded")
        for link in links or ():
            if link not in urdf.links:
                guess = suggestion(link, urdf.links)
                raise ConfigError(f"link {link} is not in the URDF{guess}")
        self.links = tuple(urdf.links if links is None else links)
        self._root = urdf.root
        self._columns = {name: column for column, name in enumerate(joints)}
        self._joints = _joints_to(urdf, self.links)

    def poses(self, positions: Array) -> Array:
        """Return the poses of the links.

        Args:
            positions: Positions in [rad] and [m]. Shape (..., nu).

        Returns:
            Homogeneous transformations. Shape (..., number of links, 4, 4).
        """
        positions = np.asarray(positions, dtype=np.float64)
        batch = positions.shape[:-1]
        found = {self._root: np.broadcast_to(np.eye(4), (*batch, 4, 4))}
        for joint in self._joints:
            motion = _motion(joint, self._position(joint, positions))
            found[joint.child] = found[joint.parent] @ joint.origin @ motion
        if not self.links:
            return np.zeros((*batch, 0, 4, 4))
        return np.stack([found[link] for link in self.links], axis=-3)

    def _position(self, joint: Joint, positions: Array) -> Array:
        name, multiplier, offset = joint.name, 1.0, 0.0
        if joint.mimic:
            name, multiplier, offset = (
                joint.mimic.joint,
                joint.mimic.multiplier,
                joint.mimic.offset,
            )
        column = self._columns.get(name)
        base = np.zeros(positions.shape[:-1]) if column is None else positions[..., column]
        return multiplier * base + offset


def _joints_to(urdf: Urdf, links: Sequence[str]) -> list[Joint]:
    """Return the joints between the root and some links, parents first."""
    needed = {joint.name for link in links for joint in urdf.chain(urdf.root, link)}
    return [joint for joint in urdf.joints.values() if joint.name in needed]


def _motion(joint: Joint, position: Array) -> Array:
    """Return the motion of a joint. Shape (..., 4, 4) for positions of shape (...)."""
    motion = np.broadcast_to(np.eye(4), (*position.shape, 4, 4)).copy()
    if joint.kind == "prismatic":
        motion[..., :3, 3] = position[..., None] * joint.axis
    elif joint.moves:
        motion[..., :3, :3] = axis_rotation(joint.axis, position)
    return motion


def axis_rotation(axis: Array, angle: Array) -> Array:
    """Return rotations about an axis, by Rodrigues' formula. Shape (..., 3, 3)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    sine, cosine = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    turned: Array = np.eye(3) + sine * cross + (1.0 - cosine) * (cross @ cross)
    return turned
