"""Kinematics, limits and masses of the scene."""

import mujoco
import numpy as np
import pytest

from dbp_ros.settings.dual_ur5e import ARM_JOINTS, CAMERAS, DUAL_UR5E_JOINTS
from dbp_ros.sim.scene import HOME, cell_spec

DH = ((0.1625, 0, np.pi / 2), (0, -0.425, 0), (0, -0.3922, 0))
DH += ((0.1333, 0, np.pi / 2), (0.0997, 0, -np.pi / 2), (0.0996, 0, 0))


@pytest.fixture(scope="module")
def model():
    return cell_spec().compile()


def flange(angles):
    """Return the flange's position in the base frame by the published DH table."""
    pose = np.eye(4)
    for angle, (d, a, alpha) in zip(angles, DH, strict=True):
        c, s, ca, sa = np.cos(angle), np.sin(angle), np.cos(alpha), np.sin(alpha)
        pose = pose @ np.array(
            ((c, -s * ca, s * sa, a * c), (s, c * ca, -c * sa, a * s), (0, sa, ca, d), (0, 0, 0, 1))
        )
    return pose[:3, 3]


def test_the_kinematics_match_the_published_dh_table(model):
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    for _ in range(20):
        angles = rng.uniform(-3, 3, 6)
        for name, angle in zip(ARM_JOINTS, angles, strict=True):
            data.joint(f"left_{name}").qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        base = data.body("left_base")
        position = base.xmat.reshape(3, 3).T @ (data.body("left_wrist_3_link").xpos - base.xpos)
        np.testing.assert_allclose(position, flange(angles), atol=1e-6)


def test_every_joint_name_of_the_robot_has_an_actuator(model):
    assert {model.actuator(index).name for index in range(model.nu)} == set(DUAL_UR5E_JOINTS)


def test_every_camera_of_the_robot_is_in_the_scene(model):
    assert set(CAMERAS) <= {model.camera(index).name for index in range(model.ncam)}


def test_torque_limits_are_those_of_the_datasheet(model):
    torques = [model.actuator(f"right_{joint}").forcerange[1] for joint in ARM_JOINTS]
    assert torques == [150, 150, 150, 28, 28, 28]


def test_the_elbow_has_half_the_range_of_the_other_joints(model):
    limits = [model.joint(f"left_{joint}").range[1] for joint in ARM_JOINTS]
    np.testing.assert_allclose(limits, np.pi * np.array((2, 2, 1, 2, 2, 2)), atol=1e-4)


def test_link_masses_are_the_published_ones(model):
    links = ("shoulder", "upper_arm", "forearm", "wrist_1", "wrist_2", "wrist_3")
    masses = [model.body(f"left_{link}_link").mass[0] for link in links]
    assert sum(masses) == pytest.approx(3.761 + 8.058 + 2.846 + 1.37 + 1.3 + 0.365)


def test_there_is_no_contact_at_home(model):
    data = mujoco.MjData(model)
    for name, angle in zip(DUAL_UR5E_JOINTS, HOME, strict=True):
        if "gripper" not in name:
            data.joint(name).qpos[0] = angle
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


def test_the_arms_collide_with_each_other(model):
    data = mujoco.MjData(model)
    for side, pan in (("left", -1.2), ("right", 1.0)):
        reach = (pan, -0.6, 0.6, -1.57, -1.57, 0.0)
        for name, angle in zip(ARM_JOINTS, reach, strict=True):
            data.joint(f"{side}_{name}").qpos[0] = angle
    mujoco.mj_forward(model, data)
    bodies = [{model.geom(g).bodyid[0] for g in pair} for pair in data.contact.geom]
    sides = [{model.body(b).name.split("_")[0] for b in pair} for pair in bodies]
    assert {"left", "right"} in sides
