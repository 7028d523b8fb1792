"""Kinematics of arms in PyTorch, against those of the URDF."""

import numpy as np
import pytest
import torch

from dbp_ros.learning.arm_kinematics import ArmKinematics
from dbp_ros.robots.arm_chain import ArmChain, arm_chains
from dbp_ros.robots.check import urdf_of
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.settings.robot_files import read_robot

ROBOTS = ("ur5e_dual", "franka_dual", "aloha", "so101_dual")


def near_home(chains: tuple[ArmChain, ...], robot: str, distance: float) -> torch.Tensor:
    """Return random positions of the arms. Shape (50, arms, joints)."""
    home = read_robot(robot).home
    rng = np.random.default_rng(0)
    arms = []
    for chain in chains:
        base = np.array([home[joint] for joint in chain.joints])
        drawn = base + rng.uniform(-distance, distance, (50, len(base)))
        arms.append(np.clip(drawn, chain.lower, chain.upper))
    return torch.from_numpy(np.stack(arms, 1)).float()


def distances(kinematics: ArmKinematics, joints: torch.Tensor, poses: torch.Tensor) -> torch.Tensor:
    """Return the largest difference of a pose in [m] or of its matrix."""
    return (kinematics.poses(joints) - poses).abs().amax((-1, -2))


@pytest.mark.parametrize("robot", ROBOTS)
def test_poses_are_those_of_the_urdf(robot: str) -> None:
    chains, description = arm_chains(robot), read_robot(robot)
    joints = near_home(chains, robot, 0.5)
    links = [link for arm in description.arms.values() for link in (arm.base, arm.tip)]
    positions = np.zeros((len(joints), len(description.joints)))
    for arm, chain in enumerate(chains):
        positions[:, [description.joints.index(joint) for joint in chain.joints]] = joints[:, arm]
    poses = Kinematics(urdf_of(robot), description.joints, links).poses(positions)
    expected = np.linalg.inv(poses[:, ::2]) @ poses[:, 1::2]
    found = ArmKinematics(chains).poses(joints).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("robot", ["ur5e_dual", "franka_dual", "so101_dual"])
def test_inverse_kinematics_reaches_poses_near_the_start(robot: str) -> None:
    kinematics = ArmKinematics(chains := arm_chains(robot))
    targets = near_home(chains, robot, 0.3)
    start = near_home(chains, robot, 0.0)
    poses = kinematics.poses(targets)
    assert distances(kinematics, start, poses).median() > 0.05
    worst = distances(kinematics, kinematics.solve(poses, start), poses).max()
    assert worst < 1e-3, f"{1e3 * worst:.2f} mm away"


def test_a_pose_out_of_reach_gives_positions_within_the_limits() -> None:
    kinematics = ArmKinematics(chains := arm_chains("ur5e_dual"))
    start = near_home(chains, "ur5e_dual", 0.1)
    poses = kinematics.poses(start)
    poses[..., :3, 3] *= 5.0
    solved = kinematics.solve(poses, start)
    assert solved.isfinite().all()
    assert (solved >= kinematics.lower).all()
    assert (solved <= kinematics.upper).all()
    assert distances(kinematics, solved, poses).min() > 0.5


def test_arms_with_different_numbers_of_joints_are_solved_together() -> None:
    long, short = arm_chains("franka_dual")[0], arm_chains("so101_dual")[0]
    kinematics, alone = ArmKinematics((short, long)), ArmKinematics((short,))
    home = [
        np.array([read_robot(r).home[j] for j in c.joints])
        for r, c in (("so101_dual", short), ("franka_dual", long))
    ]
    joints = torch.zeros(1, 2, kinematics.num_joints)
    joints[0, 0, : len(short.joints)] = torch.from_numpy(home[0])
    joints[0, 1] = torch.from_numpy(home[1])
    poses = kinematics.poses(joints)
    single = alone.poses(joints[:, :1, : len(short.joints)])
    torch.testing.assert_close(poses[:, :1], single)
    moved = joints + 0.1 * (torch.arange(kinematics.num_joints) < len(short.joints))
    solved = kinematics.solve(poses, moved)
    assert distances(kinematics, solved, poses).max() < 1e-3
