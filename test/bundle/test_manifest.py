"""A manifest is parsed and checked, or refused with the invalid key."""

import re
from dataclasses import replace

import pytest
from bundle_fixtures import edit, refusal

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import (
    MANIFEST,
    ActionSpec,
    CloudSpec,
    HistorySpec,
    require_cameras,
    require_joints,
)
from dbp_ros.errors import BundleError


def test_a_manifest_is_read_as_it_was_written(make_bundle):
    bundle = read_bundle(make_bundle(normaliser={"kind": "none"}, metrics={"loss": 0.5}))
    assert bundle.manifest.joints[0] == "left_elbow_joint"
    assert bundle.manifest.action == ActionSpec("absolute_joint_position", 4, 0.02)
    assert bundle.manifest.history == HistorySpec(1, 0.1)
    assert bundle.manifest.camera_names == ("head_camera", "left_wrist_camera")
    assert bundle.manifest.normaliser == {"kind": "none"}
    assert bundle.manifest.metrics == {"loss": 0.5}


def test_states_default_to_the_joints(make_bundle):
    directory = make_bundle(states=("left_elbow_joint",))
    assert read_bundle(directory).manifest.states == ("left_elbow_joint",)
    edit(directory, states=None, clouds=None)
    manifest = read_bundle(directory).manifest
    assert manifest.states == manifest.joints
    assert manifest.clouds == ()


def test_writing_a_manifest_leaves_no_temporary_file(make_bundle):
    names = {file.name for file in make_bundle().iterdir()}
    assert names == {"encoder.onnx", "head.onnx", "proof.npz", MANIFEST}


INVALID = (
    *("", "just words", "[1, 2]", "a: [", "\x00", "format: 1\nformat", "[" * 5000),
    *("a: 2024-13-99", "a: !!bool x", "a: !!int x", "a: !!timestamp x", "{[1]: 2}", "? {a: 1}"),
)


@pytest.mark.parametrize("text", INVALID)
def test_an_invalid_manifest_is_refused(make_bundle, text):
    path = make_bundle() / MANIFEST
    path.write_text(text)
    assert "export the model again" in refusal(path.parent)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('name: "\\ud800"', "surrogates not allowed"),
        ("name: toy\nmade_by: {seeds: [1, [0x1" + "0" * 16 + "]]}", "of 64 bits, got one of 65"),
        ("name: 0x" + "f" * 9000, "expected integers of 64 bits, got one of 36000"),
    ],
)
def test_a_value_that_cannot_be_published_is_refused(make_bundle, line, problem):
    path = make_bundle() / MANIFEST
    path.write_text(path.read_text().replace("made_by: {}\n", "").replace("name: toy", line, 1))
    assert problem in refusal(path.parent)


def test_another_format_is_refused(make_bundle):
    directory = make_bundle()
    edit(directory, format=2)
    assert "expected format 1, got 2" in refusal(directory)


def test_an_unknown_key_is_refused_by_name(make_bundle):
    directory = make_bundle()
    edit(directory, jonts=["a"])
    assert "Manifest has no manifest.jonts; its fields are format, name" in refusal(directory)


def test_a_bundle_is_not_stochastic_by_default(make_bundle):
    directory = make_bundle(log_std=-1.0)
    assert read_bundle(directory).manifest.stochastic
    edit(directory, stochastic=False)
    assert not read_bundle(directory).manifest.stochastic
    edit(directory, stochastic="yes")
    assert "manifest.stochastic is 'yes' of type str, expected bool" in refusal(directory)


def test_a_missing_key_is_refused_by_name(make_bundle):
    directory = make_bundle()
    edit(directory, joints=None)
    assert "Manifest lacks manifest.joints" in refusal(directory)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"joints": []}, "joints: expected unique names"),
        ({"joints": ["a", "a"]}, "joints: expected unique names"),
        ({"joints": [1]}, "manifest.joints is 1 of type int, expected str"),
        ({"joints": 7}, "manifest.joints is 7 of type int, expected a list of str"),
        ({"states": ["a", "a"]}, "states: expected unique names"),
        ({"states": 7}, "manifest.states is 7 of type int, expected a list of str"),
        (
            {"cameras": [{"name": "head_camera"}]},
            "CameraSpec lacks manifest.cameras.height, .*encoder",
        ),
        ({"clouds": [{"name": "head_depth"}]}, "CloudSpec lacks manifest.clouds.points, .*encoder"),
        ({"history": {"length": 0, "step_s": 0.1}}, "history.length: expected at least 1"),
        (
            {"history": {"length": "2", "step_s": 0.1}},
            "history.length is '2' of type str, expected int",
        ),
        ({"history": {"length": 2, "step_s": 0}}, "history.step_s: expected more than 0"),
        (
            {"history": {"length": 2, "step_s": 0.1, "pace": 1}},
            "HistorySpec has no manifest.history.pace",
        ),
        ({"proof": {"file": "proof.npz", "tolerance": float("nan")}}, "proof.tolerance: expected"),
        ({"files": None}, "Manifest lacks manifest.files"),
        ({"files": ["head.onnx"]}, "manifest.files is .*expected a mapping"),
        ({"files": {"head.onnx": 7}}, "manifest.files.head.onnx is 7 of type int, expected str"),
        ({"files": {}}, "no sha256 for encoder.onnx"),
        ({"head": 7}, "manifest.head is 7 of type int, expected str"),
        ({"head": "other.onnx"}, "no sha256 for other.onnx"),
        ({"version": True}, "manifest.version is True of type bool, expected int"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_key(make_bundle, changes, expected):
    directory = make_bundle()
    edit(directory, **changes)
    assert re.search(expected, refusal(directory))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"meaning": "joint_velocity"},
            "action.meaning is 'joint_velocity', expected one of absolute_joint_position",
        ),
        ({"horizon": 0}, "action.horizon: expected at least 1"),
        ({"horizon": 4.5}, "manifest.action.horizon is 4.5 of type float, expected int"),
        ({"step_s": 0.0}, "action.step_s: expected more than 0"),
        ({"step_s": float("nan")}, "action.step_s: expected more than 0"),
    ],
)
def test_an_invalid_action_is_refused_by_its_key(make_bundle, changes, expected):
    action = ActionSpec("absolute_joint_position", 4, 0.02)
    assert expected in refusal(make_bundle(action=replace(action, **changes)))


def test_joints_in_another_order_are_accepted(make_bundle):
    manifest = read_bundle(make_bundle()).manifest
    require_joints(manifest, manifest.joints[::-1])


def test_a_camera_that_the_robot_lacks_is_refused(make_bundle):
    manifest = read_bundle(make_bundle()).manifest
    require_cameras(manifest, manifest.camera_names)
    with pytest.raises(BundleError, match=r"takes the cameras left_wrist_camera, the robot has he"):
        require_cameras(manifest, ["head_camera"])


def test_other_joints_are_refused_with_the_differences(make_bundle):
    manifest = read_bundle(make_bundle()).manifest
    joints = (*manifest.joints[1:], "left_wrist_3_joint")
    with pytest.raises(
        BundleError, match=r"robot lacks left_elbow_joint, .*model lacks left_wrist_3_joint"
    ):
        require_joints(manifest, joints)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"states": ("left_elbow_joint", "object.0")},
            "takes the states left_elbow_joint, obj",
        ),
        ({"clouds": (CloudSpec("head_depth", 64, 3, 8, "c.onnx"),)}, "takes point clouds"),
        ({"action": ActionSpec("as_recorded", 4, 0.02)}, "returns actions as_recorded"),
    ],
)
def test_a_model_with_inputs_that_the_robot_lacks_is_refused(make_bundle, changes, expected):
    manifest = replace(read_bundle(make_bundle()).manifest, **changes)
    with pytest.raises(BundleError, match=f"model toy {expected}"):
        require_joints(manifest, manifest.joints)
