"""A model reproduces its golden cases or is refused."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from dbp_ros.bundle.bundle import read_bundle, read_manifest, sha256_of
from dbp_ros.bundle.manifest import ActionSpec, CameraSpec, write_manifest
from dbp_ros.errors import BundleError, ConfigError, ObservationError
from dbp_ros.policy.model import Model
from dbp_ros.policy.onnx_sessions import PROVIDERS


def make_image(value=0, height=8, width=12):
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize("history", [1, 2])
def test_a_model_reproduces_its_golden_cases(make_bundle, history):
    assert Model(read_bundle(make_bundle(history=history))).self_test() < 1e-5


def test_features_are_those_of_the_graph(model):
    image = make_image(10)
    image[..., 2] = 40
    np.testing.assert_allclose(model.encode("head_camera", image), [10.0, 10.0, 40.0])


def move_weights(directory, name):
    """Move larger weights of the head to a file that the manifest does not list."""
    head = directory / "head.onnx"
    graph = onnx.load(head)
    options = {"save_as_external_data": True, "location": name, "size_threshold": 75}
    onnx.save(graph, head, **options)
    return replace_sha256(directory, "head.onnx")


def replace_sha256(directory, *names):
    """List files in a manifest with their current sha256."""
    manifest = read_manifest(directory)
    files = {**manifest.files, **{name: sha256_of(directory / name) for name in names}}
    write_manifest(directory, replace(manifest, files=files))
    return read_bundle(directory)


def test_weights_in_an_unlisted_file_are_refused(make_bundle):
    bundle = move_weights(make_bundle(), "head.weights")
    assert (bundle.directory / "head.weights").is_file()
    with pytest.raises(BundleError, match=r"head.onnx refers to 'head.weights', which manifest"):
        Model(bundle)


def test_weights_in_a_listed_file_are_loaded(make_bundle):
    bundle = move_weights(make_bundle(), "head.weights")
    named = replace_sha256(bundle.directory, "head.onnx", "head.weights")
    assert Model(named).self_test() < 1e-5
    weights = bytearray((named.directory / "head.weights").read_bytes())
    weights[0] ^= 1
    (named.directory / "head.weights").write_bytes(weights)
    with pytest.raises(BundleError, match=r"head.weights was changed"):
        read_bundle(named.directory)


@pytest.mark.parametrize("size", [(1, 1), (8, 12), (240, 320)])
def test_images_of_another_size_are_accepted_by_a_dynamic_graph(model, size):
    np.testing.assert_allclose(model.encode("head_camera", make_image(7, *size)), [7.0] * 3)


def test_a_graph_with_the_image_size_of_the_manifest_is_accepted(make_bundle):
    assert Model(read_bundle(make_bundle(size=(8, 12)))).self_test() < 1e-5


def test_an_image_of_another_size_is_refused_by_a_fixed_graph(make_bundle):
    model = Model(read_bundle(make_bundle(size=(8, "width"))))
    model.encode("head_camera", make_image(7, 8, 24))
    with pytest.raises(ObservationError, match=r"\(16, 12, 3\), this model takes only \(8, '"):
        model.encode("head_camera", make_image(7, 16, 12))


def test_a_graph_of_another_fixed_size_is_refused(make_bundle):
    with pytest.raises(BundleError, match=r"encoder.onnx takes .*9, 12, 3.*export the model again"):
        Model(read_bundle(make_bundle(size=(9, 12))))


@pytest.mark.parametrize("history", [1, 3])
def test_the_head_on_stored_features_returns_the_action_of_the_whole_model(make_bundle, history):
    model = Model(read_bundle(make_bundle(history=history)))
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (2, history, 8, 12, 3), np.uint8)
    positions = rng.standard_normal((history, 3)).astype(np.float32)
    latent = rng.standard_normal((4, 3)).astype(np.float32)
    features = {
        camera: np.stack([model.encode(camera, image) for image in seen])
        for camera, seen in zip(model.manifest.camera_names, images, strict=True)
    }
    whole = positions[-1] + 0.01 * latent + 0.001 * images.mean()
    np.testing.assert_allclose(model.predict(positions, features, latent), whole, atol=1e-5)


def test_the_output_is_deterministic(model):
    features = {camera: np.ones((1, 3), np.float32) for camera in model.manifest.camera_names}
    inputs = (np.zeros((1, 3), np.float32), features, np.ones((4, 3), np.float32))
    np.testing.assert_array_equal(model.predict(*inputs), model.predict(*inputs))


def test_a_model_that_fails_its_self_test_is_refused(make_bundle):
    model = Model(read_bundle(make_bundle(gain=1.01)))
    with pytest.raises(BundleError, match=r"golden cases by .*, expected at most 0.0001: export"):
        model.self_test()


def test_a_model_with_non_finite_outputs_is_refused(make_bundle):
    with pytest.raises(BundleError, match="golden cases by nan"):
        Model(read_bundle(make_bundle(gain=np.nan))).self_test()


@pytest.mark.parametrize(
    "changes",
    [
        {"joints": ("left_elbow_joint", "right_elbow_joint")},
        {"action": ActionSpec("absolute_joint_position", 5, 0.02)},
        {"cameras": ()},
        {"states": ("left_elbow_joint",)},
    ],
)
def test_a_head_for_another_manifest_is_refused(make_bundle, changes):
    with pytest.raises(BundleError, match=r"head.onnx takes .*expected .*export the model again"):
        Model(read_bundle(make_bundle(**changes)))


def test_an_encoder_of_another_feature_size_is_refused(make_bundle):
    cameras = read_bundle(make_bundle()).manifest.cameras
    wider = (replace(cameras[0], feature_size=4), cameras[1])
    with pytest.raises(BundleError, match=r"encoder.onnx returns .*expected.*4"):
        Model(read_bundle(make_bundle(cameras=wider)))


def test_a_head_in_place_of_an_encoder_is_refused(make_bundle):
    cameras = read_bundle(make_bundle()).manifest.cameras
    swapped = tuple(
        CameraSpec(c.name, 8, 12, c.encoding, c.feature_size, "head.onnx") for c in cameras
    )
    with pytest.raises(BundleError, match=r"head.onnx takes"):
        Model(read_bundle(make_bundle(cameras=swapped)))


def test_an_invalid_graph_file_is_refused(make_bundle):
    directory = make_bundle()
    bundle = read_bundle(directory)
    (directory / "head.onnx").write_text("no graph")
    with pytest.raises(BundleError, match=r"head.onnx cannot be loaded .*: export it again"):
        Model(bundle)


def test_an_unknown_execution_provider_is_refused_with_the_known_ones(make_bundle):
    with pytest.raises(ConfigError, match="'npu', expected one of cpu, cuda, tensorrt"):
        Model(read_bundle(make_bundle()), provider="npu")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_an_absent_execution_provider_is_refused_and_never_replaced(make_bundle, provider):
    if PROVIDERS[provider].provider in ort.get_available_providers():
        pytest.skip(f"{provider} is here")
    with pytest.raises(ConfigError, match=f"'{provider}' is not in this onnxruntime, which has"):
        Model(read_bundle(make_bundle()), provider=provider)
