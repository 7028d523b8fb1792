"""Descriptions of robots: what they must contain, and the settings that follow from them."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbp_ros.errors import ConfigError
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.parameter_files import settings_of
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.robot_files import read_robot, robot_file, robot_names
from dbp_ros.stack.processes import StackConfig, processes


def limits(**changes: Any) -> dict[str, Any]:
    values = {"min_position": -1.0, "max_position": 2.0, "max_velocity": 1.0}
    return {**values, "max_acceleration": 4.0, "max_tracking_error": 0.2, **changes}


def one_arm() -> dict[str, Any]:
    """Return a robot with one arm of two joints and a gripper on the controller of the arm."""
    joints = ["base_joint", "elbow_joint", "finger_joint"]
    arm = {"joints": joints[:2], "gripper": {"joints": joints[2:]}, "controller": "arm_controller"}
    return {
        "name": "one_arm",
        "urdf": "one_arm.urdf",
        "arms": {"arm": {**arm, "base": "base_link", "tip": "hand_link"}},
        "joint_limits": {joint: limits() for joint in joints},
        "home": dict.fromkeys(joints, 0.5),
        "cameras": {"top_camera": {"topic": "/camera/color/image_raw"}},
        "collision_capsules": {},
    }


def written(folder: Path, values: Any) -> str:
    path = folder / "robot.yaml"
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values, sort_keys=False))
    return str(path)


def test_a_description_determines_the_settings_of_the_nodes(tmp_path: Path) -> None:
    robot = written(tmp_path, {**one_arm(), "command_rate_hz": 100.0})
    guard = settings_of(GuardConfig, {"robot": robot})
    assert guard.joints == ("base_joint", "elbow_joint", "finger_joint")
    assert (guard.controllers, guard.controller_sizes) == (("arm_controller",), (3,))
    assert guard.gripper_joints == ("finger_joint",)
    assert guard.velocity_limit == (1.0, 1.0, 1.0)
    assert guard.position_lower == (-1.0, -1.0, -1.0)
    assert guard.home_positions == (0.5, 0.5, 0.5)
    assert guard.command_rate_hz == 100.0
    policy = settings_of(PolicyConfig, {"robot": robot})
    assert policy.joints == guard.joints
    assert policy.camera_joints == ()


def test_a_parameter_overrides_the_description(tmp_path: Path) -> None:
    robot = written(tmp_path, one_arm())
    guard = settings_of(GuardConfig, {"robot": robot, "velocity_limit": [0.1, 0.2, 0.3]})
    assert guard.velocity_limit == (0.1, 0.2, 0.3)
    assert guard.acceleration_limit == (4.0, 4.0, 4.0)


def test_joints_in_another_order_have_their_own_values(tmp_path: Path) -> None:
    values = one_arm()
    values["joint_limits"]["finger_joint"]["max_velocity"] = 0.1
    values["home"]["finger_joint"] = 0.02
    robot = written(tmp_path, values)
    joints = ["finger_joint", "elbow_joint", "base_joint"]
    guard = settings_of(GuardConfig, {"robot": robot, "joints": joints})
    assert guard.joints == tuple(joints)
    assert guard.velocity_limit == (0.1, 1.0, 1.0)
    assert guard.home_positions == (0.02, 0.5, 0.5)
    assert guard.gripper_joints == ("finger_joint",)
    assert (guard.controllers, guard.controller_sizes) == (("arm_controller",), (3,))


def test_joints_of_the_default_robot_in_another_order_have_their_own_values() -> None:
    default = GuardConfig()
    joints = [*default.joints[5::-1], *default.joints[6:]]
    guard = settings_of(GuardConfig, {"joints": joints})
    assert guard.home_positions[:6] == default.home_positions[5::-1]
    assert guard.controllers == default.controllers


@pytest.mark.parametrize(
    ("joints", "reason"),
    [
        (["base_joint", "elbow_joint", "thumb"], "set controllers, controller_sizes, gripper_joi"),
        (["base_joint", "elbow_joint"], "or not in the order .*: set controllers, controller_size"),
        (["base_joint", "elbow_joint", "base_joint"], "joints has base_joint twice"),
    ],
)
def test_values_of_other_joints_are_refused(tmp_path: Path, joints: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        settings_of(GuardConfig, {"robot": written(tmp_path, one_arm()), "joints": joints})


def test_other_joints_with_all_their_values_are_accepted(tmp_path: Path) -> None:
    given: dict[str, Any] = {"velocity_limit": [1.0, 2.0], "acceleration_limit": [1.0, 2.0]}
    given |= {"tracking_error_limit": [0.2, 0.2], "home_positions": [0.0, 0.0]}
    given |= {"position_lower": [-1.0, -1.0], "position_upper": [1.0, 1.0], "gripper_joints": []}
    given |= {"controllers": ["driver"], "controller_sizes": [2], "joints": ["thumb", "base_joint"]}
    guard = settings_of(GuardConfig, {"robot": written(tmp_path, one_arm()), **given})
    assert guard.controllers == ("driver",)


def test_a_separate_controller_of_a_gripper_follows_that_of_its_arm(tmp_path: Path) -> None:
    values = one_arm()
    values["arms"]["arm"]["gripper"]["controller"] = "hand_controller"
    robot = read_robot(written(tmp_path, values))
    assert robot.forward_controllers == {
        "arm_controller": ("base_joint", "elbow_joint"),
        "hand_controller": ("finger_joint",),
    }


def test_topics_of_a_description_become_remap_rules(tmp_path: Path) -> None:
    robot = written(tmp_path, {**one_arm(), "joint_states_topic": "/driver/joint_states"})
    guard = processes(StackConfig(robot=robot))[0]
    topic = "/camera/color/image_raw"
    assert guard.remaps == (
        ("top_camera/image_raw", topic),
        ("top_camera/image_raw/compressed", f"{topic}/compressed"),
        ("joint_states", "/driver/joint_states"),
    )
    mine = processes(StackConfig(robot=robot, remap="joint_states:=/mine"))[0]
    assert ("joint_states", "/mine") in mine.remaps
    assert ("joint_states", "/driver/joint_states") not in mine.remaps


def test_a_path_is_absolute_for_the_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, one_arm())
    monkeypatch.chdir(tmp_path)
    guard = processes(StackConfig(robot="robot.yaml"))[0]
    assert guard.parameters["robot"] == str(tmp_path / "robot.yaml")


def test_a_camera_whose_images_may_freeze_is_off(tmp_path: Path) -> None:
    values = one_arm()
    values["cameras"] = {
        "top_camera": {"detect_frozen": False},
        "wrist_camera": {"moved_by": ["*_joint", "!finger*"]},
    }
    assert read_robot(written(tmp_path, values)).camera_joints == (
        "top_camera=off",
        "wrist_camera=*_joint,!finger*",
    )


WRONG = [
    ("arms.arm.joints", [], r"arms\.arm\.joints is empty"),
    ("arms.arm.joints", ["base_joint", "base_joint"], "joint base_joint occurs twice"),
    ("arms.arm.gripper.joints", ["elbow_joint"], "joint elbow_joint occurs twice"),
    ("arms.arm.gripper.controller", "arm_controller", "controller arm_controller occurs twice"),
    ("arms.arm.tipp", "x", "ArmDescription has no arms.arm.tipp"),
    ("arms.arm.tip", 3, "arms.arm.tip is 3 of type int, expected str"),
    ("arms", {}, "arms is empty"),
    ("arms", {"left arm": one_arm()["arms"]["arm"]}, "arms has 'left arm'"),
    ("joint_limits.elbo_joint", limits(), r"joint_limits\.elbo_joint .* did you mean elbow_joint"),
    ("joint_limits", {"base_joint": limits()}, "joint_limits lacks elbow_joint, finger_joint"),
    ("joint_limits.base_joint.max_velocity", 0.0, "max_velocity = 0.0, expected at least"),
    ("joint_limits.base_joint.max_velocity", float("inf"), "inf, expected a finite number"),
    ("joint_limits.base_joint.max_position", -3.0, "-1 is not below max_position -3"),
    ("joint_limits.base_joint.has_velocity_limits", False, "has_velocity_limits is false"),
    ("joint_limits.base_joint.max_jerk", 3.0, "has no joint_limits.base_joint.max_jerk"),
    ("home.base_joint", 2.5, r"home\.base_joint is 2\.5, expected -1 to 2"),
    ("home", {"base_joint": 0.0}, "home lacks elbow_joint, finger_joint"),
    ("cameras", {"top-camera": {}}, "cameras has 'top-camera'"),
    ("collision_capsules", {"a": [{"start": [0, 0], "end": [0, 0, 1], "radius": 1}]}, "list of 3"),
    ("arms.arm.homing_controller", "arm_controller", "controller arm_controller occurs twice"),
    ("arms.arm.controller", "joint_state_broadcaster", "joint_state_broadcaster occurs twice"),
    ("arms.arm.controller", "left arm", "controllers has 'left arm'"),
    ("name", "../x", r"name has '\.\./x'"),
    ("joint_states_topic", "bad topic", "joint_states_topic is 'bad topic', expected a topic"),
    ("cameras.top_camera.topic", "/a/compressed", "give the topic of the raw images"),
    (
        "data",
        {"joints": {"finger_joint": {"action": "base_joint"}}},
        "column of the action base_joint occurs twice in data",
    ),
    (
        "data",
        {"joints": {"elbow_joint": {"state": "base_joint"}}},
        "base_joint occurs twice in dat",
    ),
    ("command_rate_hz", 62.5, "expected a whole number"),
    ("command_rate_hz", 5000, "command_rate_hz = 5000.0, expected from 10.0 to 1000.0"),
]


@pytest.mark.parametrize(("key", "value", "reason"), WRONG)
def test_a_wrong_value_is_refused_with_its_file_and_its_name(
    tmp_path: Path, key: str, value: Any, reason: str
) -> None:
    values = copy.deepcopy(one_arm())
    *groups, name = key.split(".")
    inner = values
    for group in groups:
        inner = inner[group]
    inner[name] = value
    with pytest.raises(ConfigError, match=rf"robot\.yaml: .*{reason}"):
        read_robot(written(tmp_path, values))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: a\nname: b\n", "'name' occurs twice"),
        ("name: [", "is not valid YAML"),
        ("- a\n", "expected a mapping"),
        ("name: a\n", "lacks urdf, arms"),
    ],
)
def test_a_file_of_another_structure_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"robot\.yaml.*{reason}"):
        read_robot(written(tmp_path, text))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    robot = written(tmp_path, one_arm())
    assert read_robot(robot).name == "one_arm"
    assert written(tmp_path, {**one_arm(), "name": "other"}) == robot
    assert read_robot(robot).name == "other"


def test_an_unknown_robot_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean ur5e_dual"):
        robot_file("ur5_dual")
    with pytest.raises(ConfigError, match=re.escape(", ".join(robot_names()))):
        robot_file("xyz")
    with pytest.raises(ConfigError, match="is no file"):
        robot_file(str(tmp_path / "robot.yaml"))
