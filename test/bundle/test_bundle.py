"""A bundle is read whole and unchanged, or refused in one sentence that names the fix."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from dbp_ros.bundle.bundle import (
    MANIFEST,
    ActionSpec,
    CloudSpec,
    GoldenSpec,
    HistorySpec,
    bundle_directory,
    parse_manifest,
    read_bundle,
    require_joints,
    sha256_of,
)
from dbp_ros.bundle.golden import read_golden
from dbp_ros.errors import BundleError


def refusal(directory: Path) -> str:
    """Return the sentence with which a bundle, or its proof, is refused."""
    with pytest.raises(BundleError) as caught:
        read_golden(read_bundle(directory))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(directory: Path, **changes: object) -> None:
    """Change keys of a manifest on disk; None removes one."""
    path = directory / MANIFEST
    document = {**yaml.safe_load(path.read_text()), **changes}
    path.write_text(yaml.safe_dump({k: v for k, v in document.items() if v is not None}))


def rewrite_proof(directory: Path, **changes: object) -> None:
    """Change arrays of a proof on disk and its sha256 with them; None removes one."""
    path = directory / "proof.npz"
    arrays = {**np.load(path), **changes}
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    files = yaml.safe_load((directory / MANIFEST).read_text())["files"]
    edit(directory, files={**files, path.name: sha256_of(path)})


def test_a_manifest_is_read_as_it_was_written(make_bundle):
    bundle = read_bundle(make_bundle(normaliser={"kind": "none"}, metrics={"loss": 0.5}))
    assert bundle.manifest.joints[0] == "left_elbow_joint"
    assert bundle.manifest.action == ActionSpec("absolute_joint_position", 4, 0.02)
    assert bundle.manifest.history == HistorySpec(1, 0.1)
    assert bundle.manifest.camera_names == ("head_camera", "left_wrist_camera")
    assert bundle.manifest.normaliser == {"kind": "none"}
    assert bundle.manifest.metrics == {"loss": 0.5}


def test_a_manifest_that_does_not_say_what_is_measured_means_the_joints(make_bundle):
    directory = make_bundle(states=("left_elbow_joint",))
    assert read_bundle(directory).manifest.states == ("left_elbow_joint",)
    edit(directory, states=None, clouds=None)
    manifest = read_bundle(directory).manifest
    assert manifest.states == manifest.joints
    assert manifest.clouds == ()


def test_nothing_is_left_beside_a_manifest_that_was_written(make_bundle):
    names = {file.name for file in make_bundle().iterdir()}
    assert names == {"encoder.onnx", "head.onnx", "proof.npz", MANIFEST}


def test_a_bundle_is_known_by_the_sha256_of_its_manifest(make_bundle):
    first = read_bundle(make_bundle()).sha256
    assert read_bundle(make_bundle()).sha256 == first
    assert read_bundle(make_bundle(version=2)).sha256 != first


def test_a_missing_bundle_is_refused_with_those_there_are(make_bundle):
    sentence = refusal(make_bundle().parent / "tpy")
    assert re.search(r"tpy is not a model bundle.*known bundles: toy", sentence)


def test_a_missing_manifest_is_refused(make_bundle):
    directory = make_bundle()
    (directory / MANIFEST).unlink()
    assert re.search(r"manifest.yaml cannot be read .*known bundles: none", refusal(directory))


def test_a_missing_file_is_refused(make_bundle):
    directory = make_bundle()
    (directory / "head.onnx").unlink()
    assert "head.onnx is missing: copy the whole bundle again" in refusal(directory)


def test_a_truncated_file_is_refused(make_bundle):
    file = make_bundle() / "head.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    assert re.search("head.onnx was changed or truncated.*copy the whole", refusal(file.parent))


def test_a_file_with_one_byte_changed_is_refused(make_bundle):
    file = make_bundle() / "encoder.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "encoder.onnx was changed or truncated" in refusal(file.parent)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_truncated_manifest_is_refused(make_bundle, share):
    path = make_bundle() / MANIFEST
    path.write_text(path.read_text()[: int(share * path.stat().st_size)])
    assert refusal(path.parent).endswith(("export the model again", "copy the whole bundle again"))


NO_MANIFESTS = (
    *("", "just words", "[1, 2]", "a: [", "\x00", "format: 1\nformat", "[" * 5000),
    *("a: 2024-13-99", "a: !!bool x", "a: !!int x", "a: !!timestamp x", "{[1]: 2}", "? {a: 1}"),
)


@pytest.mark.parametrize("text", NO_MANIFESTS)
def test_a_manifest_that_is_none_is_refused(make_bundle, text):
    path = make_bundle() / MANIFEST
    path.write_text(text)
    assert "export the model again" in refusal(path.parent)


def test_another_format_is_refused(make_bundle):
    directory = make_bundle()
    edit(directory, format=2)
    assert "expected format 1, got 2" in refusal(directory)


def test_an_unknown_key_is_refused_by_name(make_bundle):
    directory = make_bundle()
    edit(directory, jonts=["a"])
    assert "unknown keys: jonts" in refusal(directory)


def test_a_bundle_without_a_word_about_it_is_not_stochastic(make_bundle):
    directory = make_bundle(log_std=-1.0)
    assert read_bundle(directory).manifest.stochastic
    edit(directory, stochastic=False)
    assert not read_bundle(directory).manifest.stochastic
    edit(directory, stochastic="yes")
    assert "manifest.stochastic is 'yes', expected bool" in refusal(directory)


def test_a_missing_key_is_refused_by_name(make_bundle):
    directory = make_bundle()
    edit(directory, joints=None)
    assert "missing keys: joints" in refusal(directory)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"joints": []}, "joints: expected unique names"),
        ({"joints": ["a", "a"]}, "joints: expected unique names"),
        ({"joints": [1]}, "manifest.joints is 1, expected str"),
        ({"joints": 7}, "not iterable"),
        ({"states": ["a", "a"]}, "states: expected unique names"),
        ({"states": 7}, "not iterable"),
        ({"cameras": [{"name": "head_camera"}]}, "missing 5 required"),
        ({"clouds": [{"name": "head_depth"}]}, "missing 4 required"),
        ({"history": {"length": 0, "step_s": 0.1}}, "history.length: expected at least 1"),
        ({"history": {"length": "2", "step_s": 0.1}}, "history.length is '2', expected int"),
        ({"history": {"length": 2, "step_s": 0}}, "history.step_s: expected more than 0"),
        ({"history": {"length": 2, "step_s": 0.1, "pace": 1}}, "unexpected keyword.*pace"),
        ({"proof": {"file": "proof.npz", "tolerance": float("nan")}}, "proof.tolerance: expected"),
        ({"files": None}, "missing keys: files"),
        ({"files": ["head.onnx"]}, "manifest.files is .*expected dict"),
        ({"files": {"head.onnx": 7}}, "manifest.files.head.onnx is 7, expected str"),
        ({"files": {}}, "no sha256 for encoder.onnx"),
        ({"head": 7}, "manifest.head is 7, expected str"),
        ({"head": "other.onnx"}, "no sha256 for other.onnx"),
        ({"version": True}, "manifest.version is True, expected int"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused_by_the_key(make_bundle, changes, expected):
    directory = make_bundle()
    edit(directory, **changes)
    assert re.search(expected, refusal(directory))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"meaning": "joint_velocity"}, "action.meaning: expected absolute_joint_position or"),
        ({"horizon": 0}, "action.horizon: expected at least 1"),
        ({"horizon": 4.5}, "manifest.action.horizon is 4.5, expected int"),
        ({"step_s": 0.0}, "action.step_s: expected more than 0"),
        ({"step_s": float("nan")}, "action.step_s: expected more than 0"),
    ],
)
def test_an_action_that_makes_no_sense_is_refused_by_the_key(make_bundle, changes, expected):
    action = ActionSpec("absolute_joint_position", 4, 0.02)
    assert expected in refusal(make_bundle(action=replace(action, **changes)))


@pytest.mark.parametrize("name", ["../toy/head.onnx", "/etc/hostname", "a/b", "./head.onnx"])
def test_a_path_in_place_of_a_file_name_is_refused(make_bundle, name):
    directory = make_bundle()
    files = read_bundle(directory).manifest.files
    edit(directory, head=name, files={**files, name: files["head.onnx"]})
    assert "is not a bare file name" in refusal(directory)


@pytest.mark.parametrize("name", ["head.onnx", "proof.npz"])
def test_a_link_out_of_the_folder_is_refused_though_its_content_is_right(make_bundle, name):
    directory = make_bundle()
    outside = directory.parent / f"other_{name}"
    (directory / name).rename(outside)
    (directory / name).symlink_to(outside)
    assert re.search(f"{name} is a link to .*{outside.name}", refusal(directory))


def test_a_link_to_a_file_that_the_manifest_does_not_name_is_refused(make_bundle):
    directory = make_bundle()
    (directory / "head.onnx").rename(directory / "extra.onnx")
    (directory / "head.onnx").symlink_to("extra.onnx")
    assert "head.onnx is a link to" in refusal(directory)


def test_a_bundle_behind_links_into_one_folder_is_read(make_bundle):
    directory = make_bundle()
    installed = directory.parent / "installed"
    installed.mkdir()
    for file in directory.iterdir():
        (installed / file.name).symlink_to(file)
    (directory.parent / "current").symlink_to(installed)
    for folder in (installed, directory.parent / "current"):
        assert read_bundle(folder).sha256 == read_bundle(directory).sha256


def test_files_that_the_manifest_does_not_name_are_not_read(make_bundle):
    directory = make_bundle()
    (directory / "extra.onnx").write_bytes(b"no graph")
    assert "extra.onnx" not in read_bundle(directory).manifest.files


@pytest.mark.parametrize("name", ["..", ".", "", MANIFEST])
def test_a_name_that_is_no_file_of_the_bundle_is_refused(make_bundle, name):
    directory = make_bundle()
    files = read_bundle(directory).manifest.files
    edit(directory, files={**files, name: files["head.onnx"]})
    assert str(directory) in refusal(directory)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"action": None}, "the proof proof.npz cannot be read"),
        ({"image.head_camera": None}, "the proof proof.npz cannot be read"),
        ({"action": np.zeros((3, 5, 3), np.float32)}, r"action as float32 of shape \(3, 5, 3\)"),
        ({"positions": np.zeros((3, 2, 3), np.float32)}, "positions as float32"),
        ({"positions": np.zeros((2, 1, 3), np.float32)}, "positions as float32"),
        ({"latent": np.zeros((3, 4, 3))}, "latent as float64"),
        ({"image.head_camera": np.zeros((3, 8, 9, 3), np.uint8)}, "image.head_camera as uint8"),
        ({"image.head_camera": np.zeros((3, 2, 8, 12, 3), np.uint8)}, "head_camera as uint8"),
        ({"action": np.float32(0)}, r"positions as float32 of shape \(3, 1, 3\)"),
    ],
)
def test_a_proof_that_does_not_fit_the_manifest_is_refused(make_bundle, changes, expected):
    directory = make_bundle()
    rewrite_proof(directory, **changes)
    assert re.search(expected + ".*export the model again", refusal(directory))


def test_a_proof_without_an_axis_for_a_history_of_one_is_read(make_bundle):
    directory = make_bundle()
    whole = read_golden(read_bundle(directory)).images["head_camera"]
    rewrite_proof(directory, **{"image.head_camera": whole[:, 0]})
    np.testing.assert_array_equal(read_golden(read_bundle(directory)).images["head_camera"], whole)


def test_a_proof_of_a_longer_history_needs_the_axis(make_bundle):
    directory = make_bundle(history=2)
    whole = read_golden(read_bundle(directory)).images["head_camera"]
    assert whole.shape == (3, 2, 8, 12, 3)
    rewrite_proof(directory, **{"image.head_camera": whole[:, 0]})
    assert "image.head_camera as uint8 of shape (3, 8, 12, 3)" in refusal(directory)


def test_a_proof_without_cases_is_refused(make_bundle):
    directory = make_bundle()
    rewrite_proof(directory, **{k: v[:0] for k, v in np.load(directory / "proof.npz").items()})
    assert "for each case" in refusal(directory)


def test_a_proof_that_is_no_archive_is_refused(make_bundle):
    directory = make_bundle()
    (directory / "proof.npz").write_bytes(b"PK\x03\x04 no archive")
    files = read_manifest_files(directory)
    edit(directory, files={**files, "proof.npz": sha256_of(directory / "proof.npz")})
    assert "the proof proof.npz cannot be read" in refusal(directory)


def read_manifest_files(directory: Path) -> dict[str, str]:
    return parse_manifest((directory / MANIFEST).read_bytes(), MANIFEST).files


def test_the_proof_names_another_file_only_with_its_sha256(make_bundle):
    directory = make_bundle(proof=GoldenSpec("proof2.npz", 1e-4))
    assert "no sha256 for proof2.npz under files: export the model again" in refusal(directory)


def test_joints_in_another_order_are_the_same_joints(make_bundle):
    manifest = read_bundle(make_bundle()).manifest
    require_joints(manifest, manifest.joints[::-1])


def test_other_joints_are_refused_with_what_either_side_lacks(make_bundle):
    manifest = read_bundle(make_bundle()).manifest
    joints = (*manifest.joints[1:], "left_wrist_3_joint")
    with pytest.raises(
        BundleError, match=r"robot lacks left_elbow_joint, .*model lacks left_wrist_3_joint"
    ):
        require_joints(manifest, joints)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"states": ("left_elbow_joint", "object.0")}, "measures left_elbow_joint, object.0"),
        ({"clouds": (CloudSpec("head_depth", 64, 3, 8, "c.onnx"),)}, "sees point clouds"),
        ({"action": ActionSpec("as_recorded", 4, 0.02)}, "gives actions as_recorded"),
    ],
)
def test_a_model_that_needs_what_a_robot_has_not_is_refused(make_bundle, changes, expected):
    manifest = replace(read_bundle(make_bundle()).manifest, **changes)
    with pytest.raises(BundleError, match=f"model toy {expected}"):
        require_joints(manifest, manifest.joints)


def test_a_bare_name_is_a_bundle_under_models_and_a_path_is_itself(tmp_path, root):
    assert bundle_directory("lift") == root / "models" / "lift"
    assert bundle_directory(str(tmp_path)) == tmp_path
    assert bundle_directory("~/lift") == Path.home() / "lift"
