"""Rotation matrices of the rotations in data sets."""

import numpy as np

from dbp_ros.errors import EpisodeError
from dbp_ros.types import Array

# Smallest and largest length of a recorded quaternion or column of a matrix.
LENGTHS = 0.8, 1.25
SMALL_RAD = 1e-12


def rotation_matrices(values: Array, kind: str) -> Array:
    """Return rotation matrices.

    Args:
        values: Shape (..., columns).
        kind: See `PoseColumns.rotation`.

    Returns:
        Shape (..., 3, 3).

    Raises:
        EpisodeError: If a quaternion, or a column of a matrix, is far from length 1.
    """
    if kind == "quaternion_xyzw":
        return _of_quaternions(values)
    if kind == "quaternion_wxyz":
        return _of_quaternions(np.roll(values, -1, axis=-1))
    if kind == "rotation_vector":
        return _of_vectors(values)
    if kind == "euler_xyz":
        return _of_euler(values)
    columns = _of_columns(values)
    return np.swapaxes(columns, -1, -2) if kind == "rotation_6d_rows" else columns


def pose_matrices(positions: Array, rotations: Array) -> Array:
    """Return homogeneous transformations. Shape (..., 4, 4).

    Args:
        positions: Shape (..., 3).
        rotations: Shape (..., 3, 3).
    """
    poses = np.zeros((*positions.shape[:-1], 4, 4))
    poses[..., :3, :3], poses[..., :3, 3], poses[..., 3, 3] = rotations, positions, 1.0
    return poses


def inverse_poses(poses: Array) -> Array:
    """Return the inverses of rigid motions. Shape (..., 4, 4)."""
    rotations = np.swapaxes(poses[..., :3, :3], -1, -2)
    return pose_matrices(-(rotations @ poses[..., :3, 3:])[..., 0], rotations)


def _of_quaternions(values: Array) -> Array:
    vector, real = values[..., :3], values[..., 3]
    length = np.linalg.norm(values, axis=-1)
    _check_lengths("a quaternion", length)
    vector, real = vector / length[..., None], real / length
    cross = _cross_matrices(vector)
    matrices: Array = np.eye(3) + 2.0 * (real[..., None, None] * cross + cross @ cross)
    return matrices


def _of_vectors(values: Array) -> Array:
    """Return rotations about axes, by Rodrigues' formula."""
    angle = np.linalg.norm(values, axis=-1)[..., None, None]
    cross = _cross_matrices(values)
    divisor = np.maximum(angle, SMALL_RAD)
    small = angle < SMALL_RAD
    first = np.where(small, 1.0, np.sin(angle) / divisor)
    second = np.where(small, 0.5, (1.0 - np.cos(angle)) / divisor**2)
    matrices: Array = np.eye(3) + first * cross + second * (cross @ cross)
    return matrices


def _of_euler(values: Array) -> Array:
    axes = np.eye(3)
    x, y, z = (_of_vectors(values[..., k : k + 1] * axes[k]) for k in range(3))
    matrices: Array = z @ y @ x
    return matrices


def _of_columns(values: Array) -> Array:
    """Return matrices of their first two columns, which need not be orthonormal."""
    first, second = values[..., :3], values[..., 3:]
    for part in (first, second):
        _check_lengths("a column or row of a rotation_6d", np.linalg.norm(part, axis=-1))
    first = first / np.linalg.norm(first, axis=-1, keepdims=True)
    second = second - (first * second).sum(-1, keepdims=True) * first
    second = second / np.maximum(np.linalg.norm(second, axis=-1, keepdims=True), SMALL_RAD)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def _cross_matrices(vectors: Array) -> Array:
    """Return the matrices of the cross products. Shape (..., 3, 3)."""
    return np.swapaxes(np.cross(vectors[..., None, :], np.eye(3)), -1, -2)


def _check_lengths(what: str, lengths: Array) -> None:
    low, high = LENGTHS
    wrong = np.flatnonzero((lengths < low) | (lengths > high))
    if len(wrong):
        raise EpisodeError(
            f"{what} at step {wrong[0]} has length {lengths.flat[wrong[0]]:.3g}, expected 1: "
            "correct the columns or the kind of the rotation in data.poses of the description"
        )
