"""Forward and inverse kinematics of arms in PyTorch, with operations that ONNX has.

All arms are computed at once. An arm with fewer joints than another one has additional joints that
do not move. Poses are those of the tips in the frames of the bases.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dbp_ros.robots.arm_chain import ArmChain
from dbp_ros.types import Array

# Damping of the pseudo-inverse [m, rad], which bounds the steps near a singularity.
DAMPING = 0.02
ITERATIONS = 8
# Largest step of a joint in one iteration [rad, m].
MAX_STEP = 0.5
TASK_DIMENSIONS = 6


class ArmKinematics(nn.Module):
    """Kinematics of the arms of a robot.

    Attributes:
        num_arms: Number of arms.
        num_joints: Joints of each arm, with the additional ones.
    """

    constant: Tensor
    sine: Tensor
    cosine: Tensor
    slide: Tensor
    tip: Tensor
    axis: Tensor
    revolute: Tensor
    lower: Tensor
    upper: Tensor

    def __init__(self, chains: Sequence[ArmChain]) -> None:
        """Store the constants of the chains as buffers."""
        super().__init__()
        self.num_arms = len(chains)
        self.num_joints = max(len(chain.joints) for chain in chains)
        arms = [_padded(chain, self.num_joints) for chain in chains]
        for name in arms[0]:
            values = np.stack([arm[name] for arm in arms])
            self.register_buffer(name, torch.from_numpy(values.astype(np.float32)), False)

    def poses(self, joints: Tensor) -> Tensor:
        """Return the poses of the tips.

        Args:
            joints: Positions in [rad] and [m]. Shape (..., arms, joints).

        Returns:
            Homogeneous transformations. Shape (..., arms, 4, 4).
        """
        return self._frames(joints)[-1]

    def solve(self, poses: Tensor, joints: Tensor) -> Tensor:
        """Return joint positions whose tips have the given poses, as closely as possible.

        Damped least squares [1], a fixed number of iterations, within the position limits.

        [1] C. W. Wampler, "Manipulator inverse kinematic solutions based on vector formulations and
        damped least-squares methods", IEEE Trans. Systems, Man, and Cybernetics 16(1), 1986.

        Args:
            poses: Shape (..., arms, 4, 4).
            joints: Initial positions. Shape (..., arms, joints).

        Returns:
            Positions in [rad] and [m]. Shape (..., arms, joints).
        """
        damping = DAMPING**2 * torch.eye(TASK_DIMENSIONS, device=joints.device)
        for _ in range(ITERATIONS):
            *frames, tip = self._frames(joints)
            jacobian = self._jacobian(torch.stack(frames, dim=-3), tip)
            error = _difference(poses, tip)
            transposed = jacobian.transpose(-1, -2)
            step = transposed @ _solve(jacobian @ transposed + damping, error)
            step = step[..., 0].clamp(-MAX_STEP, MAX_STEP)
            joints = torch.minimum(torch.maximum(joints + step, self.lower), self.upper)
        return joints

    def _frames(self, joints: Tensor) -> list[Tensor]:
        """Return the frames of the joints, then that of the tip. Shapes (..., arms, 4, 4)."""
        position = joints[..., None, None]
        motions = (
            self.constant
            + position.sin() * self.sine
            + position.cos() * self.cosine
            + position * self.slide
        )
        frames = [motions[..., 0, :, :]]
        for number in range(1, self.num_joints):
            frames.append(frames[-1] @ motions[..., number, :, :])
        return [*frames, frames[-1] @ self.tip]

    def _jacobian(self, frames: Tensor, tip: Tensor) -> Tensor:
        """Return the geometric Jacobian of the tips. Shape (..., arms, 6, joints).

        Args:
            frames: Of the joints. Shape (..., arms, joints, 4, 4).
            tip: Shape (..., arms, 4, 4).
        """
        axes = (frames[..., :3, :3] @ self.axis[..., None])[..., 0]
        lever = tip[..., None, :3, 3] - frames[..., :3, 3]
        turning = self.revolute[..., None]
        linear = turning * torch.linalg.cross(axes, lever) + (1.0 - turning) * axes
        return torch.cat([linear, turning * axes], dim=-1).transpose(-1, -2)


def _padded(chain: ArmChain, num_joints: int) -> dict[str, Array]:
    """Return the constants of an arm: a joint's motion is a sum of four matrices.

    A rotation is `I + sin(q) K + (1 - cos(q)) K^2` with the cross product matrix K of the axis, by
    Rodrigues' formula; a translation is `I + q T`.
    """
    offsets, axes = chain.offset_matrices(), chain.axis_vectors()
    constants: dict[str, Array] = {
        name: np.zeros((num_joints, 4, 4)) for name in ("sine", "cosine", "slide")
    }
    constants["constant"] = np.tile(np.eye(4), (num_joints, 1, 1))
    for number, sliding in enumerate(chain.prismatic):
        offset, motion = offsets[number], np.zeros((4, 4))
        if sliding:
            motion[:3, 3] = axes[number]
            constants["constant"][number] = offset
            constants["slide"][number] = offset @ motion
        else:
            motion[:3, :3] = np.cross(np.eye(3), axes[number])
            constants["constant"][number] = offset @ (np.eye(4) + motion @ motion)
            constants["sine"][number] = offset @ motion
            constants["cosine"][number] = -offset @ motion @ motion
    count, missing = len(chain.joints), num_joints - len(chain.joints)
    return {
        **constants,
        "tip": offsets[count],
        "axis": np.pad(axes, ((0, missing), (0, 0))),
        "revolute": np.pad(1.0 - np.array(chain.prismatic, float), (0, missing)),
        "lower": np.pad(np.array(chain.lower), (0, missing)),
        "upper": np.pad(np.array(chain.upper), (0, missing)),
    }


def _difference(target: Tensor, tip: Tensor) -> Tensor:
    """Return the motion from one pose to another, to first order. Shape (..., 6, 1)."""
    translation = target[..., :3, 3] - tip[..., :3, 3]
    columns = tip[..., :3, :3].transpose(-1, -2), target[..., :3, :3].transpose(-1, -2)
    rotation = 0.5 * torch.linalg.cross(*columns).sum(-2)
    return torch.cat([translation, rotation], dim=-1)[..., None]


def _solve(matrix: Tensor, vector: Tensor) -> Tensor:
    """Solve positive definite systems by Gauss-Jordan elimination, which ONNX can express.

    Args:
        matrix: Shape (..., 6, 6).
        vector: Shape (..., 6, 1).

    Returns:
        Shape (..., 6, 1).
    """
    rows, identity = torch.cat([matrix, vector], dim=-1), torch.eye(TASK_DIMENSIONS)
    for pivot in range(TASK_DIMENSIONS):
        row = rows[..., pivot : pivot + 1, :] / rows[..., pivot : pivot + 1, pivot : pivot + 1]
        factor = rows[..., pivot : pivot + 1] - identity[:, pivot : pivot + 1].to(rows.device)
        rows = rows - factor * row
    return rows[..., TASK_DIMENSIONS:]
