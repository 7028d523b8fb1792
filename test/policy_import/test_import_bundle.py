"""An imported bundle returns the actions of the original graph, computed here by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import EncodeError
from policy_import.conftest import ImportInto, mapping_of
from policy_import.foreign_graphs import (
    FLOAT,
    HORIZON,
    image_action,
    op,
    save,
    waves,
    write_byte_policy,
    write_image_policy,
    write_state_policy,
    write_video_policy,
)

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import require_joints
from dbp_ros.errors import BundleError
from dbp_ros.policy import load_policy
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.policy_import.foreign_graph import serialized
from dbp_ros.policy_import.mapping_file import read_mapping
from dbp_ros.random_streams import RandomStream
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S, Frame

MEAN, STD = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.25])
IMAGE_POLICY: dict[str, Any] = {
    "n_action_steps": HORIZON,
    "positions": {"observation.state": {"mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 4.0]}},
    "images": {
        "observation.image": {
            "camera": "head_camera",
            "mean": MEAN.tolist(),
            "std": STD.tolist(),
        }
    },
    "actions": {"action": {"min": [-1, -1, 0], "max": [1, 1.5, 0.08]}},
}
MEASURED = np.array([0.3, -0.4, 0.05], np.float32)


def image_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def test_a_policy_larger_than_one_file_is_refused(
    tmp_path: Path, import_into: ImportInto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbp_ros.policy_import.foreign_graph.MAX_BYTES", 100)
    with pytest.raises(BundleError, match=r"act\.onnx has .* GB of weights, .* in float16"):
        import_into(write_image_policy(tmp_path / "act.onnx"), **IMAGE_POLICY)


class LargeModel:
    """A graph above the limit of a protocol buffer."""

    def SerializeToString(self) -> bytes:  # noqa: N802
        raise EncodeError("Failed to serialize proto")


def test_a_graph_larger_than_one_file_is_refused_by_its_name() -> None:
    with pytest.raises(BundleError, match=r"act.onnx is too large .*Failed to ser.* below 2 GB"):
        serialized(Path("act.onnx"), LargeModel())


def test_a_graph_that_cannot_be_loaded_in_the_opset_of_a_bundle_is_refused(
    tmp_path: Path, import_into: ImportInto
) -> None:
    """The conversion to another opset drops the functions of a model."""
    joints, deltas = (("joints", FLOAT, (1, 3)),), (("deltas", FLOAT, (1, 3)),)
    nodes = [op("Scaled", ["joints"], ["deltas"], domain="custom")]
    path = save(tmp_path / "old.onnx", nodes, joints, deltas, opset=17)
    model, body = onnx.load(path), [onnx.helper.make_node("Tanh", ["x"], ["y"])]
    opset = onnx.helper.make_opsetid("", 17)
    model.functions.append(
        onnx.helper.make_function("custom", "Scaled", ["x"], ["y"], body, [opset])
    )
    model.opset_import.append(onnx.helper.make_opsetid("custom", 1))
    onnx.save(model, path)
    layout = {"layout": "ND"}
    with pytest.raises(BundleError, match=r"old.onnx does not load .* opset_version=18 or later"):
        import_into(path, positions={"joints": layout}, actions={"deltas": layout})


def test_a_float_image_and_joints_give_a_chunk(tmp_path: Path, import_into: ImportInto) -> None:
    folder, report = import_into(write_image_policy(tmp_path / "act.onnx"), **IMAGE_POLICY)
    image = image_of(12, 16)
    chunk = load_policy(folder)(MEASURED, {"head_camera": image})
    normalised = ((image / 255 - MEAN) / STD).transpose(2, 0, 1)
    raw = image_action(normalised, (MEASURED - [0.1, 0.2, 0.3]) / [1, 2, 4])
    low, high = np.array([-1, -1, 0]), np.array([1, 1.5, 0.08])
    np.testing.assert_allclose(chunk, low + (raw + 1) / 2 * (high - low), atol=1e-5)
    assert report.difference < 1e-5
    manifest = read_bundle(folder).manifest
    assert (manifest.name, manifest.version, manifest.control_rate_hz) == ("foreign", 3, 5.0)
    require_joints(manifest, ("elbow", "shoulder", "gripper"))


def test_a_byte_image_of_the_last_channel_gives_one_action(
    tmp_path: Path, import_into: ImportInto
) -> None:
    images = {"pixels": {"camera": "top", "layout": "NHWC", "range": [0, 255], "channels": "bgr"}}
    folder, _ = import_into(
        write_byte_policy(tmp_path / "bytes.onnx"),
        images=images,
        actions={"target": {"layout": "ND"}},
    )
    image = image_of(8, 10)
    chunk = load_policy(folder)(MEASURED, {"top": image})
    mean = image.astype(np.float64).mean(axis=(0, 1))[::-1]
    np.testing.assert_allclose(chunk, [mean @ (waves(3, 3) / 100)], rtol=1e-5)
    assert read_bundle(folder).manifest.control_rate_hz == 20.0


def test_differences_in_degrees_are_added_to_the_measured_positions(
    tmp_path: Path, import_into: ImportInto
) -> None:
    # The graph has the gripper first, from 0 to 100, which it does not move relatively.
    order, low, high = ["gripper", "shoulder", "elbow"], np.array([0, -90, -45]), [100, 90, 45]
    limits = {"min": low.tolist(), "max": high}
    folder, _ = import_into(
        write_state_policy(tmp_path / "delta.onnx", 3),
        unit="deg",
        joint_units={"gripper": {"data_range": [0, 100], "robot_range": [0.0, 0.08]}},
        positions={"joints": {"layout": "TD", "joints": order, **limits}},
        actions={
            "deltas": {
                "layout": "TD",
                "joints": order,
                "meaning": "relative_to_measured",
                "absolute_joints": ["gripper"],
                **limits,
            }
        },
    )
    chunk = load_policy(folder)(MEASURED)
    state = np.array([0.05 / 0.08 * 100, np.degrees(0.3), np.degrees(-0.4)])
    normalised = 2 * (state - low) / (high - low) - 1
    raw = np.tanh(normalised @ waves(3, 3 * HORIZON)).reshape(HORIZON, 3)
    gripper, shoulder, elbow = (low + (raw + 1) / 2 * (high - low)).T
    expected = [0.3 + np.radians(shoulder), -0.4 + np.radians(elbow), gripper / 100 * 0.08]
    np.testing.assert_allclose(chunk, np.stack(expected, axis=1), atol=1e-5)


def test_an_action_may_have_another_range_than_the_state(
    tmp_path: Path, import_into: ImportInto
) -> None:
    ranges = {"data_range": [0, 100], "action_range": [1, -1], "robot_range": [0.0, 0.08]}
    folder, _ = import_into(
        write_state_policy(tmp_path / "binary.onnx", 3),
        joint_units={"gripper": ranges},
        positions={"joints": {"layout": "TD"}},
        actions={"deltas": {"layout": "TD"}},
    )
    chunk = load_policy(folder)(MEASURED)
    state = np.array([*MEASURED[:2], MEASURED[2] / 0.08 * 100])
    raw = np.tanh(state @ waves(3, 3 * HORIZON)).reshape(HORIZON, 3)
    np.testing.assert_allclose(chunk[:, :2], raw[:, :2], atol=1e-5)
    np.testing.assert_allclose(chunk[:, 2], 0.08 * (1 - raw[:, 2]) / 2, atol=1e-5)


def test_increments_add_up_from_the_measured_positions(
    tmp_path: Path, import_into: ImportInto
) -> None:
    folder, _ = import_into(
        write_state_policy(tmp_path / "increments.onnx", 3),
        positions={"joints": {"layout": "TD"}},
        actions={"deltas": {"layout": "TD", "meaning": "increments", "skip_points": 1}},
    )
    chunk = load_policy(folder)(MEASURED)
    steps = np.tanh(MEASURED @ waves(3, 3 * HORIZON)).reshape(HORIZON, 3)[1:]
    np.testing.assert_allclose(chunk, MEASURED + np.cumsum(steps, axis=0), atol=1e-5)


def test_joints_in_another_order_with_a_sign_are_sorted(
    tmp_path: Path, import_into: ImportInto
) -> None:
    order = ["elbow", "gripper", "shoulder"]
    folder, _ = import_into(
        write_state_policy(tmp_path / "mlp.onnx", 3),
        joint_units={"elbow": {"sign": -1}},
        positions={"joints": {"layout": "TD", "joints": order}},
        actions={"deltas": {"layout": "TD", "joints": order}},
    )
    chunk = load_policy(folder)(MEASURED)
    raw = np.tanh(np.array([0.4, 0.05, 0.3]) @ waves(3, 3 * HORIZON)).reshape(HORIZON, 3)
    np.testing.assert_allclose(chunk, raw[:, [2, 0, 1]] * [1, -1, 1], atol=1e-6)


VIDEO_POLICY: dict[str, Any] = {
    "positions": {"joints": {"layout": "NTD"}},
    "images": {
        "video": {
            "camera": "head_camera",
            "layout": "NTCHW",
            "size": [6, 8],
            "range": [-1, 1],
        }
    },
    "noise": ["noise"],
    "constants": {"task": {"value": [0.5]}},
    "actions": {"action": {}},
    "unused_outputs": ["embedding"],
}


def video_action(images: np.ndarray, positions: np.ndarray, latent: np.ndarray) -> np.ndarray:
    """Return the action of `write_video_policy`: the video has one image."""
    bright = (images[-1] / 255 * 2 - 1).mean(axis=(0, 1))
    return 0.25 * latent + positions.sum(axis=0) + bright @ waves(3, 3) + 0.5


def test_the_runner_gives_a_history_and_the_latent_to_the_policy(
    tmp_path: Path, import_into: ImportInto
) -> None:
    folder, _ = import_into(write_video_policy(tmp_path / "video.onnx"), **VIDEO_POLICY)
    model = Model(read_bundle(folder))
    config = PolicyConfig(latent_seed=4, joints=model.manifest.joints, camera_joints=())
    runner = PolicyRunner(model, config)
    images, positions = np.stack([image_of(6, 8), image_of(6, 8)[::-1]]), []
    for step, image in enumerate(images):
        now_ns = NS_PER_S + step * NS_PER_S // 20
        positions.append(MEASURED + step)
        runner.add_joint_state(positions[-1].astype(np.float32), now_ns, now_ns)
        runner.add_image("head_camera", Frame(image, now_ns), now_ns)
    chunk = runner.step(now_ns)
    latent = RandomStream.LATENT.generator(4).standard_normal((HORIZON, 3), np.float32)
    expected = video_action(images, np.stack(positions), latent)
    np.testing.assert_allclose(chunk.positions, expected, atol=1e-5)
    steps_s = (chunk.due_ns - now_ns) / NS_PER_S
    np.testing.assert_allclose(steps_s, 0.05 * np.arange(1, HORIZON + 1))


def test_noise_that_is_larger_than_a_chunk_widens_the_latent(
    tmp_path: Path, import_into: ImportInto
) -> None:
    path = write_state_policy(tmp_path / "flow.onnx", 3, history=6)
    folder, _ = import_into(path, noise=["joints"], actions={"deltas": {"layout": "TD"}})
    chunk = load_policy(folder, seed=2)(MEASURED)
    latent = RandomStream.LATENT.generator(2).standard_normal((HORIZON, 5), np.float32)
    raw = np.tanh(latent.ravel()[:18] @ waves(18, 3 * HORIZON)).reshape(HORIZON, 3)
    np.testing.assert_allclose(chunk, raw, atol=1e-5)


def test_a_history_of_images_reaches_the_policy(tmp_path: Path, import_into: ImportInto) -> None:
    values = VIDEO_POLICY | {
        "images": {"video": {**VIDEO_POLICY["images"]["video"], "history": 2}},
        "observation_step_s": 0.1,
    }
    folder, report = import_into(write_video_policy(tmp_path / "video.onnx"), **values)
    assert report.encoded == ()
    manifest = read_bundle(folder).manifest
    assert (manifest.history.length, manifest.history.step_s) == (2, 0.1)
    assert manifest.cameras[0].feature_size == 3 * 6 * 8


def operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}


@pytest.mark.parametrize("batch", [1, "batch"])
def test_the_network_of_an_image_runs_in_its_encoder(
    tmp_path: Path, import_into: ImportInto, batch: int | str
) -> None:
    path = write_image_policy(tmp_path / "act.onnx", batch=batch)
    folder, report = import_into(path, **IMAGE_POLICY)
    assert report.encoded == ("observation.image",)
    assert "Conv" in operators(folder / "encoder_head_camera.onnx")
    assert "Conv" not in operators(folder / "head.onnx")
    assert read_bundle(folder).manifest.cameras[0].feature_size == 5


def test_an_old_opset_is_converted(tmp_path: Path, import_into: ImportInto) -> None:
    _, report = import_into(write_image_policy(tmp_path / "old.onnx", opset=13), **IMAGE_POLICY)
    assert report.difference < 1e-5


@pytest.mark.parametrize("interpolation", ["linear", "linear_antialias"])
@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_images_of_any_size_are_resized_as_by_the_reference(
    tmp_path: Path, import_into: ImportInto, fit: str, interpolation: str
) -> None:
    image = IMAGE_POLICY["images"]["observation.image"]
    resized = {**image, "fit": fit, "interpolation": interpolation, "camera_size": [20, 21]}
    path = write_image_policy(tmp_path / "act.onnx")
    folder, report = import_into(path, **IMAGE_POLICY | {"images": {"observation.image": resized}})
    assert report.cases == 10
    assert read_golden(read_bundle(folder)).images["head_camera"].shape == (8, 1, 20, 21, 3)
    policy = load_policy(folder)
    for size in ((7, 33), (64, 48)):
        assert np.isfinite(policy(MEASURED, {"head_camera": image_of(*size)})).all()


def test_the_import_is_reproducible(tmp_path: Path, import_into: ImportInto) -> None:
    path = write_image_policy(tmp_path / "act.onnx")
    first = read_bundle(import_into(path, **IMAGE_POLICY)[0])
    assert read_bundle(import_into(path, **IMAGE_POLICY)[0]).sha256 == first.sha256


def test_a_bundle_contains_its_mapping(tmp_path: Path, import_into: ImportInto) -> None:
    folder, _ = import_into(write_image_policy(tmp_path / "act.onnx"), **IMAGE_POLICY)
    assert read_mapping(folder / "mapping.yaml") == mapping_of(**IMAGE_POLICY)
    assert "mapping.yaml" in read_bundle(folder).manifest.files


def test_a_bundle_that_differs_from_the_original_is_not_written(
    tmp_path: Path, import_into: ImportInto
) -> None:
    # At a range of 20 km single precision is coarser than a nanometre.
    wide = {"actions": {"action": {"min": [-1e4] * 3, "max": [1e4] * 3}}, "tolerance": 1e-6}
    with pytest.raises(BundleError, match=r"differ from the original graph by .* at most 1e-07"):
        import_into(write_image_policy(tmp_path / "act.onnx"), **IMAGE_POLICY | wide)
    assert not list(tmp_path.glob("models/*"))
