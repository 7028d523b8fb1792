"""Remap rules of cameras and of other topics, and refused rules."""

import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.settings.dual_ur5e import CAMERAS
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.parameter_files import NODES
from dbp_ros.stack.processes import StackConfig, processes, remaps_among
from dbp_ros.stack.remaps import check_sources, rules_of


def check(text: str, namespace: str = "") -> None:
    check_sources(rules_of(text), namespace, CAMERAS, GuardConfig().controllers, NODES, ["model"])


@pytest.mark.parametrize("source", ["head_camera", "head_camera/image_raw"])
def test_a_camera_remap_applies_to_raw_and_compressed_images(source: str) -> None:
    assert rules_of(f"{source}:=/camera/color/image_raw") == (
        ("head_camera/image_raw", "/camera/color/image_raw"),
        ("head_camera/image_raw/compressed", "/camera/color/image_raw/compressed"),
    )


def test_a_remap_of_another_topic_applies_to_it_alone() -> None:
    assert rules_of(" joint_states:=/robot/joint_states ") == (
        ("joint_states", "/robot/joint_states"),
    )


def test_every_process_of_the_stack_has_every_rule() -> None:
    config = StackConfig(
        sim=True, learner=True, checkpoint="x", remap="head_camera:=/a joint_states:=/b"
    )
    listed = processes(config)
    assert len(listed) == 4
    for process in listed:
        assert process.remaps == rules_of(config.remap)
        words = process.command("cell")
        rules = [words[k + 1] for k, word in enumerate(words) if word == "-r"]
        assert rules == [
            "head_camera/image_raw:=/a",
            "head_camera/image_raw/compressed:=/a/compressed",
            "joint_states:=/b",
            "__ns:=/cell",
        ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("head_camera", "'head_camera', expected from:=to, such as"),
        ("head_camera=/a", "expected from:=to"),
        ("head_camera:=", "'' is not a topic name"),
        (":=/a", "'' is not a topic name"),
        ("head_camera:=/a//b", "'/a//b' is not a topic name"),
        ("head_camera:=/a/", "'/a/' is not a topic name"),
        ("head-camera:=/a", "'head-camera' is not a topic name"),
        ("head_camera:=/2nd/image_raw", "is not a topic name"),
        ("head_camera:=a:=b", "'a:=b' is not a topic name"),
        ("~/state:=/a", "'~/state' is not a topic name"),
        ("__ns:=/cell", "set the namespace by its argument"),
        ("head_camera:=/a head_camera:=/b", "has head_camera/image_raw twice: /a and /b"),
        ("head_camera:=/a/compressed", "give the raw topic, /a; the compressed topic is remapped"),
    ],
)
def test_an_invalid_rule_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        StackConfig(remap=text)


@pytest.mark.parametrize(
    ("text", "namespace"),
    [
        ("head_camera:=/a left_wrist_camera/image_raw:=/b", ""),
        ("joint_states:=/robot/joint_states action_chunk:=chunks", "cell"),
        ("/joint_states:=/robot/joint_states /diagnostics:=/d /clock:=/sim/clock", ""),
        ("/cell/joint_states:=/robot/joint_states /clock:=/sim/clock", "cell"),
        ("left_gripper_controller/commands:=/gripper", ""),
        ("guard/state:=/guard_state policy/model:=/m", "cell"),
        ("diagnostics:=/d", ""),
    ],
)
def test_names_of_the_stack_are_accepted(text: str, namespace: str) -> None:
    check(text, namespace)


@pytest.mark.parametrize(
    ("text", "namespace", "reason"),
    [
        ("hed_camera:=/a", "", "hed_camera is neither a camera nor a topic.*mean head_camera"),
        ("joint_state:=/a", "", "did you mean joint_states"),
        ("/joint_states:=/a", "cell", "did you mean joint_states"),
        ("diagnostics:=/a", "cell", "diagnostics is neither"),
        ("xyz:=/a", "", "cameras are head_camera, left_wrist_camera, right_wrist_camera"),
        ("head_camera/image_rect:=/a", "", "did you mean head_camera"),
        ("guard:=/a", "", "guard is neither"),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest(
    text: str, namespace: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        check(text, namespace)


def test_launch_words_that_are_not_arguments_are_remaps() -> None:
    words = ["launch", "dual_arm.launch.py", "sim:=true", "head_camera:=/a", "launch-prefix:=nice"]
    assert remaps_among(words) == ["head_camera:=/a"]
    with pytest.raises(ConfigError, match="modle is not an argument: did you mean model"):
        remaps_among(["modle:=x"])
