"""The setting camera_joints: matching, defaults and errors."""

from dataclasses import replace

import numpy as np
import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.sensing.camera_joints import (
    check_camera_joints,
    describe_check,
    frozen_image_detector,
    joints_in_view,
)
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS
from dbp_ros.settings.policy import PolicyConfig

JOINTS = ("left_a", "left_b", "left_gripper_joint", "right_a", "right_finger_joint")


def names(camera, *camera_joints):
    """Return the joints that change a camera's image."""
    found = joints_in_view(camera, JOINTS, camera_joints or PolicyConfig.camera_joints)
    return [JOINTS[k] for k in found]


def test_a_wrist_camera_is_moved_by_its_arm_and_not_by_the_gripper():
    assert names("left_wrist_camera") == ["left_a", "left_b"]
    assert names("right_wrist_camera") == ["right_a", "right_finger_joint"]


def test_any_other_camera_is_changed_by_all_joints_but_grippers():
    assert names("head_camera") == names("left_camera") == ["left_a", "left_b", "right_a"]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("head_camera=right_a", ["right_a"]),
        ("head_camera = left_b , right_a", ["left_b", "right_a"]),
        ("head*=*,!right_*", ["left_a", "left_b", "left_gripper_joint"]),
        ("*=*_a", ["left_a", "right_a"]),
        ("head_camera=off", []),
    ],
)
def test_the_first_item_that_matches_a_camera_applies(item, expected):
    assert names("head_camera", "left_*=left_*", item, "*=left_b") == expected


@pytest.mark.parametrize("item", ["head_camera", "=left_*", "head_camera=", ""])
def test_an_item_without_a_camera_or_joints_is_refused_with_an_example(item):
    with pytest.raises(ConfigError, match=r"expected camera=joints, such as 'left_wrist_camera="):
        check_camera_joints(PolicyConfig(camera_joints=(item,)))


def test_an_item_that_matches_no_joint_is_refused_with_a_list_of_joints():
    config = PolicyConfig(camera_joints=("head_camera=lft_*",))
    with pytest.raises(
        ConfigError, match=r"'head_camera=lft_\*', which matches none of the joints"
    ):
        check_camera_joints(config)


def test_the_defaults_are_valid_for_any_joints():
    check_camera_joints(PolicyConfig())
    check_camera_joints(replace(PolicyConfig(), joints=("arm_1", "arm_2")))


def test_the_check_of_each_camera_is_described():
    config = PolicyConfig(camera_joints=("wrist=left_b", "side=off"))
    assert (
        describe_check("wrist", JOINTS, config)
        == "wrist must return another image when left_b moves"
    )
    assert describe_check("side", JOINTS, config) == "side is not checked for frozen images"
    assert describe_check("head", JOINTS, config) == "head may see a still scene"


def test_a_camera_that_is_off_is_never_frozen():
    config = PolicyConfig(camera_joints=("*=off",))
    check = frozen_image_detector("head_camera", DUAL_UR5E_JOINTS, config)
    for second in range(10):
        check.add_image(
            np.zeros((2, 2, 3), np.uint8), np.full(14, second, np.float32), second * 10**9
        )
        assert not check.frozen
        assert not check.suspect
