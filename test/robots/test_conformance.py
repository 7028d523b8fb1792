"""Every robot that ships: its description, its URDF and the kinematics against MuJoCo's."""

import json
import re

import mujoco
import numpy as np
import pytest

from dbp_ros.motion.guard import MotionGuard
from dbp_ros.motion.homing import check_home
from dbp_ros.robots.check import check_robot, urdf_path
from dbp_ros.robots.collision import CollisionModel
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.robots.urdf import Urdf, read_urdf
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.parameter_files import settings_of
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.robot_files import read_robot, robot_file, robot_names
from dbp_ros.sim.scene import cell_spec
from dbp_ros.stack.processes import StackConfig, processes

ROBOTS = robot_names()
COMPILER = '<mujoco><compiler fusestatic="false" discardvisual="false"/></mujoco></robot>'


@pytest.fixture(params=ROBOTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def robot(name: str) -> RobotDescription:
    return read_robot(name)


@pytest.fixture
def urdf(name: str) -> Urdf:
    return read_urdf(urdf_path(name))


def random_positions(robot: RobotDescription, count: int) -> np.ndarray:
    low, high = (np.array(robot.limits(name)) for name in ("min_position", "max_position"))
    return np.random.default_rng(0).uniform(low, high, (count, len(robot.joints)))


def mujoco_poses(urdf: Urdf, robot: RobotDescription, positions: np.ndarray) -> dict:
    """Return the poses of all bodies by MuJoCo, which reads the URDF by itself."""
    model = mujoco.MjModel.from_xml_string(urdf.text.replace("</robot>", COMPILER))
    data = mujoco.MjData(model)
    values = dict(zip(robot.joints, positions, strict=True))
    for joint in urdf.joints.values():
        if joint.mimic:
            base = values[joint.mimic.joint]
            data.joint(joint.name).qpos[0] = joint.mimic.multiplier * base + joint.mimic.offset
    for joint, position in values.items():
        data.joint(joint).qpos[0] = position
    mujoco.mj_kinematics(model, data)
    return {
        model.body(k).name: (data.xpos[k].copy(), data.xmat[k].reshape(3, 3).copy())
        for k in range(1, model.nbody)
    }


def test_four_robots_ship() -> None:
    assert ROBOTS == ["aloha", "franka_dual", "so101_dual", "ur5e_dual"]


def test_a_description_agrees_with_its_urdf(name: str) -> None:
    assert check_robot(name) == []


def test_the_name_is_that_of_the_file_and_of_the_urdf(robot: RobotDescription, urdf: Urdf) -> None:
    assert robot.name == urdf.name
    assert robot_file(robot.name).stem == robot.name


def test_kinematics_agree_with_mujoco(robot: RobotDescription, urdf: Urdf) -> None:
    kinematics = Kinematics(urdf, robot.joints)
    for positions in random_positions(robot, 5):
        expected = mujoco_poses(urdf, robot, positions)
        poses = dict(zip(kinematics.links, kinematics.poses(positions), strict=True))
        assert len(expected) >= len(poses) - 1
        for link, (place, turn) in expected.items():
            np.testing.assert_allclose(poses[link][:3, 3], place, atol=1e-9)
            np.testing.assert_allclose(poses[link][:3, :3], turn, atol=1e-9)


def test_kinematics_of_many_positions_are_those_of_each(
    robot: RobotDescription, urdf: Urdf
) -> None:
    tips = [arm.tip for arm in robot.arms.values()]
    kinematics = Kinematics(urdf, robot.joints, tips)
    positions = random_positions(robot, 6).reshape(2, 3, -1)
    poses = kinematics.poses(positions)
    assert poses.shape == (2, 3, len(tips), 4, 4)
    np.testing.assert_allclose(poses[1, 2], kinematics.poses(positions[1, 2]), atol=1e-12)


def test_limits_are_within_those_of_the_maker(robot: RobotDescription, urdf: Urdf) -> None:
    for joint in robot.joints:
        limits, maker = robot.joint_limits[joint], urdf.joints[joint]
        assert maker.lower <= limits.min_position < limits.max_position <= maker.upper
        assert 0.0 < limits.max_velocity <= maker.velocity


def test_the_guard_follows_and_holds_within_the_limits(name: str) -> None:
    config = settings_of(GuardConfig, {"robot": name})
    guard = MotionGuard(config)
    check_home(config.joints, config.home_positions, config.position_lower, config.position_upper)
    assert len(guard.limits.velocity) == len(config.joints) == sum(config.controller_sizes)


def test_every_gripper_is_last_in_its_arm(robot: RobotDescription) -> None:
    assert len(robot.arms) == 2
    for arm in robot.arms.values():
        assert len(arm.gripper_joints) == 1
        assert robot.joints.index(arm.gripper_joints[0]) == 1 + robot.joints.index(arm.joints[-1])


def test_arms_do_not_touch_at_home_and_touch_when_both_reach_to_one_point(
    robot: RobotDescription, urdf: Urdf
) -> None:
    model = CollisionModel.of_robot(robot, urdf)
    arms = list(robot.arms.values())
    first, second = (set(_links_below(urdf, arm.base)) for arm in arms)
    between = [p for p in model.pairs if {p[0] in first, p[0] in second} == {True, False}]
    assert any(a in first and b in second for a, b in between)
    assert model.clearance(np.array(robot.home_positions)).distance >= 0.0
    assert any(
        (pair[0] in first) != (pair[1] in first)
        for positions in random_positions(robot, 4000)
        for pair in model.overlaps(positions)
    ), "the arms never meet: are the bases too far apart?"


def _links_below(urdf: Urdf, base: str) -> list[str]:
    links = [base]
    for link in links:
        links += [joint.child for joint in urdf.joints.values() if joint.parent == link]
    return links


def test_the_launch_file_passes_the_robot_to_every_node(name: str) -> None:
    for process in processes(StackConfig(robot=name)):
        assert process.parameters["robot"] == name
        assert json.dumps(process.command("")).count(f'robot:=\\"{name}\\"') == 1


def test_a_wrist_camera_is_moved_by_its_arm(name: str) -> None:
    rules = settings_of(PolicyConfig, {"robot": name}).camera_joints
    assert len(rules) == 2
    assert all("wrist" in rule for rule in rules)


def test_sources_of_the_limits_are_named(name: str) -> None:
    text = robot_file(name).read_text(encoding="utf-8")
    comment = text[: text.index("joint_limits:")].rpartition("\n\n")[2]
    assert re.search(r"ur_description|libfranka|interbotix|SO-ARM100", comment)


def test_the_urdf_of_the_cell_is_the_scene_of_the_simulation() -> None:
    robot, urdf = read_robot("ur5e_dual"), read_urdf(urdf_path("ur5e_dual"))
    model = cell_spec().compile()
    data = mujoco.MjData(model)
    positions = random_positions(robot, 1)[0]
    for joint, position in zip(robot.joints, positions, strict=True):
        if "gripper" not in joint:
            data.joint(joint).qpos[0] = position
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
    kinematics = Kinematics(urdf, robot.joints)
    poses = dict(zip(kinematics.links, kinematics.poses(positions), strict=True))
    for side in ("left", "right"):
        tcp = data.site(f"{side}_tcp")
        np.testing.assert_allclose(poses[f"{side}_tcp"][:3, 3], tcp.xpos, atol=1e-6)
        np.testing.assert_allclose(poses[f"{side}_tcp"][:3, :3].ravel(), tcp.xmat, atol=1e-6)
    for camera in robot.cameras:
        pose, seen = poses[robot.cameras[camera].frame], data.cam(camera)
        np.testing.assert_allclose(pose[:3, 3], seen.xpos, atol=1e-6)
        # MuJoCo's cameras look along -z with y up, optical frames along z with y down.
        turned = seen.xmat.reshape(3, 3) * [1.0, -1.0, -1.0]
        np.testing.assert_allclose(pose[:3, :3], turned, atol=2e-3)
