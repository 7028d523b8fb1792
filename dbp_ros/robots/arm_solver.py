"""Forward and inverse kinematics of the arms of a description, for many poses at once."""

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.robots.arm_chain import ArmChain, arm_chains
from dbp_ros.robots.check import urdf_of
from dbp_ros.robots.kinematics import axis_rotation
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.types import Array

MAX_ITERATIONS = 100
# Error [m, rad] at which the iteration ends.
CONVERGED = 1e-9
# Damping besides the error, which bounds the steps in a singularity.
MIN_DAMPING = 1e-9
# Largest step of a joint in one iteration [rad, m].
MAX_STEP = 0.5


class ArmSolver:
    """Kinematics of the arms of a robot; see `HandKinematics`."""

    def __init__(self, robot: str) -> None:
        """Read the chains of the arms.

        Args:
            robot: Name of a description in `config/robots/`, or the path of a file.

        Raises:
            ConfigError: If the description or its URDF is invalid.
        """
        self._urdf: Urdf = urdf_of(robot)
        self._arms = {chain.name: chain for chain in arm_chains(robot)}
        self._bases = {name: arm.base for name, arm in read_robot(robot).arms.items()}

    def tips(self, arm: str, joints: Array) -> Array:
        """Return the poses of the tip in the frame of the base. Shape (steps, 4, 4)."""
        return _frames(self._arms[arm], joints)[1]

    def frame(self, arm: str, link: str) -> Array:
        """Return the pose of a link in the frame of the arm's base. Shape (4, 4).

        Raises:
            ConfigError: If the link is unknown or moves.
        """
        base, other = (self._fixed(name) for name in (self._bases[arm], link))
        pose: Array = np.linalg.inv(base) @ other
        return pose

    def _fixed(self, link: str) -> Array:
        """Return the pose of a link in the frame of the root."""
        pose = np.eye(4)
        for joint in self._urdf.chain(self._urdf.root, link):
            if joint.moves:
                raise ConfigError(f"link {link} moves with {joint.name}, expected a fixed link")
            pose = pose @ joint.origin
        return pose

    def solve(self, arm: str, poses: Array, joints: Array) -> Array:
        """Return the joints, within their limits, whose tip is closest to poses.

        Levenberg-Marquardt with a damping that decreases with the error [1].

        [1] T. Sugihara, "Solvability-Unconcerned Inverse Kinematics by the Levenberg-Marquardt
        Method", IEEE Trans. Robotics 27(5), 2011.

        Args:
            arm: Name of the arm.
            poses: Of the tip in the frame of the base. Shape (steps, 4, 4).
            joints: Initial positions. Shape (steps, joints).

        Returns:
            Shape (steps, joints).
        """
        chain = self._arms[arm]
        lower, upper = np.array(chain.lower), np.array(chain.upper)
        joints = np.clip(joints.astype(np.float64), lower, upper)
        for _ in range(MAX_ITERATIONS):
            frames, tips = _frames(chain, joints)
            error = _differences(poses, tips)
            if np.abs(error).max(initial=0.0) < CONVERGED:
                break
            jacobian = _jacobians(chain, frames, tips)
            transposed = np.swapaxes(jacobian, -1, -2)
            damping = 0.5 * (error**2).sum((-2, -1), keepdims=True) + MIN_DAMPING
            normal = transposed @ jacobian + damping * np.eye(joints.shape[1])
            step = np.linalg.solve(normal, transposed @ error)[..., 0]
            joints = np.clip(joints + np.clip(step, -MAX_STEP, MAX_STEP), lower, upper)
        return joints


def _frames(chain: ArmChain, joints: Array) -> tuple[Array, Array]:
    """Return the frames of the joints and the tips.

    Returns:
        Shapes (steps, joints, 4, 4) and (steps, 4, 4).
    """
    offsets, axes = chain.offset_matrices(), chain.axis_vectors()
    pose, frames = np.broadcast_to(np.eye(4), (len(joints), 4, 4)), []
    for number, slides in enumerate(chain.prismatic):
        motion = np.tile(np.eye(4), (len(joints), 1, 1))
        if slides:
            motion[:, :3, 3] = joints[:, number, None] * axes[number]
        else:
            motion[:, :3, :3] = axis_rotation(axes[number], joints[:, number])
        pose = pose @ offsets[number] @ motion
        frames.append(pose)
    return np.stack(frames, axis=1), pose @ offsets[-1]


def _jacobians(chain: ArmChain, frames: Array, tips: Array) -> Array:
    """Return the geometric Jacobians of the tips. Shape (steps, 6, joints)."""
    axes = (frames[..., :3, :3] @ chain.axis_vectors()[..., None])[..., 0]
    turning = 1.0 - np.array(chain.prismatic, float)[:, None]
    lever = tips[:, None, :3, 3] - frames[..., :3, 3]
    linear = turning * np.cross(axes, lever) + (1.0 - turning) * axes
    return np.swapaxes(np.concatenate([linear, turning * axes], axis=-1), -1, -2)


def _differences(poses: Array, tips: Array) -> Array:
    """Return the motions from the tips to poses, to first order. Shape (steps, 6, 1)."""
    found, wanted = (np.swapaxes(one[:, :3, :3], -1, -2) for one in (tips, poses))
    rotation = 0.5 * np.cross(found, wanted).sum(-2)
    return np.concatenate([poses[:, :3, 3] - tips[:, :3, 3], rotation], axis=-1)[..., None]
