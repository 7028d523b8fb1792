"""Bound buffers return the outputs of a direct run; an absent device is an error.

Without a GPU the buffers are bound in CPU memory, by the same calls.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from dbp_ros.bundle.bundle import bundle_directory
from dbp_ros.errors import BundleError, ConfigError
from dbp_ros.policy.onnx_graph import BoundGraph, OnnxGraph, open_graph
from dbp_ros.policy.onnx_sessions import PROVIDERS, open_session

LIFT = bundle_directory("lift")
ENCODER, HEAD = LIFT / "encoder_head_camera.onnx", LIFT / "head.onnx"
ABSENT = [n for n, d in PROVIDERS.items() if d.provider not in ort.get_available_providers()]


def make_image(height: int = 84, width: int = 84, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def feeds_of(graph: OnnxGraph, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {node.name: rng.standard_normal(node.shape, np.float32) for node in graph.inputs}


@pytest.fixture
def bound() -> BoundGraph:
    return BoundGraph(open_session(ENCODER, "cpu", 1), "cpu")


def test_bound_buffers_do_not_change_the_output(bound: BoundGraph) -> None:
    plain = open_graph(ENCODER, "cpu", 1)
    assert type(plain) is OnnxGraph
    for seed in range(3):
        feeds = {"image": make_image(seed=seed)}
        [expected], [found] = (graph.run(["features"], feeds) for graph in (plain, bound))
        np.testing.assert_array_equal(found, expected)


def test_bound_buffers_take_all_inputs_of_a_head() -> None:
    plain, bound = (
        OnnxGraph(open_session(HEAD, "cpu", 1)),
        BoundGraph(open_session(HEAD, "cpu", 1), "cpu"),
    )
    for seed in range(3):
        feeds = feeds_of(plain, seed)
        [expected], [found] = (graph.run(["action"], feeds) for graph in (plain, bound))
        np.testing.assert_array_equal(found, expected)


def test_images_of_another_size_get_their_own_buffers(bound: BoundGraph) -> None:
    plain = open_graph(ENCODER, "cpu", 1)
    for height, width in ((84, 84), (480, 640), (84, 84)):
        feeds = {"image": make_image(height, width)}
        [expected], [found] = (graph.run(["features"], feeds) for graph in (plain, bound))
        np.testing.assert_array_equal(found, expected)


def test_outputs_and_inputs_are_not_overwritten_by_a_run(bound: BoundGraph) -> None:
    first_image = make_image(seed=1)
    copied_image = first_image.copy()
    [first] = bound.run(["features"], {"image": first_image})
    stored = first.copy()
    [second] = bound.run(["features"], {"image": make_image(seed=2)})
    np.testing.assert_array_equal(first, stored)
    np.testing.assert_array_equal(first_image, copied_image)
    assert np.abs(second - first).max() > 0


def test_a_view_that_is_not_contiguous_is_accepted(bound: BoundGraph) -> None:
    turned = make_image()[::-1, ::-1]
    [found] = bound.run(["features"], {"image": turned})
    [expected] = bound.run(["features"], {"image": turned.copy()})
    np.testing.assert_array_equal(found, expected)


def test_concurrent_runs_return_their_own_outputs(bound: BoundGraph) -> None:
    plain = open_graph(ENCODER, "cpu", 1)
    images = [make_image(seed=seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(lambda image: bound.run(["features"], {"image": image}), images))
    for image, [found] in zip(images, outputs, strict=True):
        np.testing.assert_array_equal(found, plain.run(["features"], {"image": image})[0])


@pytest.mark.parametrize("name", ABSENT)
def test_an_absent_device_is_an_error_with_the_available_ones(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' is not in this onnxruntime, which has .*CPU"):
        open_graph(ENCODER, name, 1)


def test_an_unknown_device_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'gpu', expected one of cpu, cuda, tensorrt"):
        open_graph(ENCODER, "gpu", 1)


def test_cuda_is_the_fallback_of_tensorrt() -> None:
    providers = PROVIDERS["tensorrt"].providers
    assert providers[0][0] == "TensorrtExecutionProvider"
    assert providers[1:] == ["CUDAExecutionProvider"]
    assert {PROVIDERS[name].memory for name in ("cuda", "tensorrt")} == {"cuda"}


def test_an_invalid_graph_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "head.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match="cannot be loaded"):
        open_graph(tmp_path / "head.onnx", "cpu", 1)
