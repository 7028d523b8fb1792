"""Poses of a hand as homogeneous transformations, and motions between them."""

import numpy as np

from dbp_ros.errors import CommandError
from dbp_ros.robots.kinematics import axis_rotation
from dbp_ros.types import Array

# Largest difference of the length of a quaternion from 1 that is corrected.
MAX_NORM_ERROR = 0.05


def pose_of(position: Array, quaternion: Array) -> Array:
    """Return a homogeneous transformation. Shape (4, 4).

    Args:
        position: In [m]. Shape (3,).
        quaternion: Order x, y, z, w; nearly of length 1. Shape (4,).

    Raises:
        CommandError: If a number is not finite, or the quaternion is not of length 1.
    """
    norm = float(np.linalg.norm(quaternion))
    if not (np.isfinite(position).all() and abs(norm - 1.0) <= MAX_NORM_ERROR):
        raise CommandError(
            f"a hand target has position {position.tolist()} and a quaternion of length {norm:g}, "
            "expected finite numbers and length 1"
        )
    x, y, z, w = quaternion / norm
    pose = np.eye(4)
    pose[:3, 3] = position
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return pose


def difference(start: Array, end: Array) -> tuple[Array, Array]:
    """Return translation in [m] and rotation vector in [rad] from one pose to another.

    Both are in the root frame. Shapes (3,).
    """
    return end[:3, 3] - start[:3, 3], rotation_vector(end[:3, :3] @ start[:3, :3].T)


def moved(pose: Array, translation: Array, rotation: Array) -> Array:
    """Return a pose after a translation in [m] and a rotation vector in [rad], in the root frame.

    Args:
        pose: Shape (4, 4).
        translation: Shape (3,).
        rotation: Shape (3,).
    """
    result = pose.copy()
    result[:3, 3] += translation
    result[:3, :3] = rotation_matrix(rotation) @ pose[:3, :3]
    return result


def shortened(vector: Array, length: float) -> Array:
    """Return a vector with at most some length."""
    norm = float(np.linalg.norm(vector))
    return vector if norm <= length else vector * (length / norm)


def rotation_matrix(vector: Array) -> Array:
    """Return the rotation of a rotation vector. Shape (3, 3)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    return axis_rotation(vector / angle, np.array(angle))


def rotation_vector(matrix: Array) -> Array:
    """Return the rotation vector of a rotation, of an angle from 0 to pi. Shape (3,)."""
    axis = 0.5 * np.array(
        [matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]
    )
    sine, cosine = float(np.linalg.norm(axis)), 0.5 * (float(np.trace(matrix)) - 1.0)
    angle = float(np.arctan2(sine, cosine))
    if sine > 1e-6:
        return axis * (angle / sine)
    if cosine > 0.0:
        return axis
    # Half a turn: the axis is the eigenvector of the eigenvalue 1.
    column = int(np.argmax(np.diag(matrix)))
    half_turn = matrix[:, column] + np.eye(3)[:, column]
    vector: Array = np.pi * half_turn / np.linalg.norm(half_turn)
    return vector
