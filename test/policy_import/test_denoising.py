"""Denoising networks in a graph are sampled as by diffusers, and by Euler steps along a flow."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from policy_import.conftest import ImportInto, mapping_of
from policy_import.foreign_graphs import FLOAT, HORIZON, JOINTS, op, save, waves

from dbp_ros.bundle.bundle import Bundle, read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.errors import BundleError, ConfigError
from dbp_ros.learning.quantization import quantize_bundle
from dbp_ros.policy import load_policy
from dbp_ros.policy_import.denoising_graph import DenoisingGraph
from dbp_ros.policy_import.foreign_graph import ForeignGraph
from dbp_ros.policy_import.mapping_draft import draft_mapping
from dbp_ros.policy_import.reference_sampler import sample
from dbp_ros.policy_import.sampler_table import sampler_table
from dbp_ros.settings.denoiser import Denoiser
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.policy_mapping import PolicyMapping

INT64 = onnx.TensorProto.INT64
NAMES = {"sample": "x", "timestep": "t", "output": "y"}
SAMPLERS: list[dict[str, Any]] = [
    {},
    {"prediction_type": "sample", "beta_schedule": "linear"},
    {"prediction_type": "v_prediction", "timestep_spacing": "trailing"},
    {"beta_schedule": "scaled_linear", "timestep_spacing": "linspace", "clip_sample_range": 0},
    {"num_train_timesteps": 1000, "num_inference_steps": 7},
    {"sampler": "flow"},
    {"sampler": "flow", "times": [1.0, 0.0], "num_inference_steps": 4},
]
# First values of DDIMScheduler of diffusers 0.35.2 for `prediction` and the noise `waves(1, 4, 3)`,
# for each sampler of diffusion.
DIFFUSERS = [
    [-0.198356, -0.159593, -0.212041, -0.267897],
    [0.529103, 0.612852, 0.491361, 0.317627],
    [-0.291392, -0.173887, -0.317419, -0.380421],
    [-0.344896, 0.05725, -0.43572, -0.661317],
    [-0.890091, -0.890091, -0.890091, -0.890092],
]
MEASURED = np.array([0.3, -0.4, 0.05], np.float32)


def prediction(value: np.ndarray, time: float) -> np.ndarray:
    return np.tanh(value + 0.01 * time)


def write_network(
    path: Path, time: int = INT64, images: bool = False, shape: tuple[int, ...] = (1,)
) -> Path:
    """Write a network of a noisy chunk, a timestep and joints; with an image, also of its mean."""
    nodes = [
        op("Cast", ["t"], ["time"], to=FLOAT),
        op("Mul", ["time", "rate"], ["scaled"]),
        op("MatMul", ["joints", "weights"], ["features"]),
        op("Tanh", ["features"], ["condition"]),
        op("Sum", ["x", "scaled", "condition"], ["sum"]),
        op("Tanh", ["sum"], ["bounded"]),
    ]
    inputs = [
        ("x", FLOAT, ("batch", HORIZON, 3)),
        ("t", time, shape),
        ("joints", FLOAT, (1, 1, 3)),
    ]
    if images:
        nodes += [
            op("Conv", ["image", "kernel"], ["map"]),
            op("ReduceMean", ["map", "space"], ["mean"], keepdims=0),
            op("Add", ["bounded", "mean"], ["y"]),
        ]
        inputs.append(("image", FLOAT, (1, 3, 8, 8)))
        more = {"kernel": waves(3, 3, 3, 3), "space": [2, 3]}
    else:
        nodes.append(op("Identity", ["bounded"], ["y"]))
        more = {}
    output = [("y", FLOAT, ("batch", HORIZON, 3))]
    rate = np.float32(0.01)
    return save(path, nodes, inputs, output, weights=waves(3, 3), rate=rate, **more)


def mapping(sampler: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {
        "denoiser": {**NAMES, "num_inference_steps": 10, **sampler},
        "positions": {"joints": {"layout": "NTD"}},
        "actions": {"y": {"min": [-1, -1, 0], "max": [1, 1, 0.1]}},
        **values,
    }


@pytest.mark.parametrize(("sampler", "expected"), [*zip(SAMPLERS, DIFFUSERS, strict=False)])
def test_the_samples_are_those_of_diffusers(sampler: dict[str, Any], expected: list[float]) -> None:
    found = sample(prediction, waves(1, HORIZON, 3), Denoiser(**NAMES, **sampler))
    np.testing.assert_allclose(found.ravel()[: len(expected)], expected, atol=1e-5)


def test_a_flow_goes_from_noise_to_data() -> None:
    noise = np.full((1, 1, 1), 2.0)
    flow = Denoiser(
        **NAMES, sampler="flow", times=(1.0, 0.0), num_inference_steps=3, timestep_scale=30
    )
    seen = []

    def velocity(value: np.ndarray, time: float) -> np.ndarray:
        seen.append(time)
        return noise - 5.0

    np.testing.assert_allclose(sample(velocity, noise, flow), 5.0)
    np.testing.assert_allclose(seen, [30, 20, 10])


@pytest.mark.parametrize("time", [FLOAT, INT64])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_bundle_samples_like_the_network(
    tmp_path: Path, import_into: ImportInto, sampler: dict[str, Any], time: int
) -> None:
    if sampler.get("sampler") == "flow" and time == INT64:
        sampler = {**sampler, "times": [0, 1], "timestep_scale": 40, "num_inference_steps": 5}
    path = write_network(tmp_path / "denoiser.onnx", time, shape=(1,) if time == INT64 else ())
    folder, report = import_into(path, **mapping(sampler))
    assert report.difference < 1e-5
    golden = read_golden(read_bundle(folder))
    denoiser = mapping_of(**mapping(sampler)).denoiser
    assert denoiser is not None
    for case in range(3):
        condition = np.tanh(golden.positions[case, -1].astype(np.float64) @ waves(3, 3))

        def network(value: np.ndarray, at: float, condition: np.ndarray = condition) -> np.ndarray:
            return prediction(value + condition, at)

        noise = golden.latent[case].reshape(1, HORIZON, 3)
        chunk = sample(network, noise, denoiser)[0]
        low, high = np.array([-1, -1, 0]), np.array([1, 1, 0.1])
        np.testing.assert_allclose(
            golden.action[case], low + (chunk + 1) / 2 * (high - low), atol=1e-4
        )


def test_what_does_not_depend_on_the_sample_runs_before_the_loop(
    tmp_path: Path, import_into: ImportInto
) -> None:
    path = write_network(tmp_path / "visual.onnx", images=True)
    images = {"image": {"camera": "top"}}
    folder, report = import_into(path, **mapping({}, images=images))
    assert report.difference < 1e-5
    assert report.encoded == ("image",)
    head = onnx.load(folder / "head.onnx").graph
    (loop,) = [node for node in head.node if node.op_type == "Loop"]
    inner = [node.op_type for node in loop.attribute[0].g.node]
    assert "MatMul" not in inner
    assert "Tanh" in inner
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert load_policy(folder)(MEASURED, {"top": image}).shape == (HORIZON, 3)


@pytest.fixture
def wide_bundle(tmp_path: Path, import_into: ImportInto) -> Bundle:
    """A denoiser with all its layers in the loop."""
    nodes = [
        op("Cast", ["t"], ["time"], to=FLOAT),
        op("Mul", ["time", "rate"], ["scaled"]),
        op("Add", ["x", "scaled"], ["moved"]),
        op("MatMul", ["moved", "enter"], ["entered"]),
        op("Tanh", ["entered"], ["hidden"]),
        op("MatMul", ["hidden", "weights"], ["wide"]),
        op("MatMul", ["wide", "leave"], ["left"]),
        op("Add", ["left", "joints"], ["sum"]),
        op("Tanh", ["sum"], ["y"]),
    ]
    inputs = [("x", FLOAT, ("batch", HORIZON, 3)), ("t", INT64, (1,)), ("joints", FLOAT, (1, 1, 3))]
    path = save(
        tmp_path / "wide.onnx",
        nodes,
        inputs,
        [("y", FLOAT, ("batch", HORIZON, 3))],
        rate=np.float32(0.01),
        enter=waves(3, 64),
        weights=0.2 * waves(64, 64, phase=0.3),
        leave=0.2 * waves(64, 3, phase=0.6),
    )
    return read_bundle(import_into(path, **mapping(SAMPLERS[0]))[0])


@pytest.mark.parametrize("precision", ["int8", "float16"])
def test_a_network_in_a_loop_is_quantized(
    tmp_path: Path, wide_bundle: Bundle, precision: str
) -> None:
    recorded = read_golden(wide_bundle)
    error = quantize_bundle(wide_bundle, tmp_path / "q", precision, recorded, "toy", "")
    assert 0 < error.error_max < 0.02


def test_a_static_quantization_of_a_loop_is_refused(tmp_path: Path, wide_bundle: Bundle) -> None:
    recorded = read_golden(wide_bundle)
    with pytest.raises(BundleError, match=r"reduces no weight .*int8_static only outside of loops"):
        quantize_bundle(wide_bundle, tmp_path / "q", "int8_static", recorded, "toy", "")


def test_an_encoder_and_a_network_are_joined_by_names(tmp_path: Path) -> None:
    encoder = save(
        tmp_path / "encoder.onnx",
        [op("MatMul", ["joints", "w"], ["condition"]), op("Identity", ["joints"], ["copy"])],
        [("joints", FLOAT, (1, 1, 3))],
        [("condition", FLOAT, (1, 1, 3)), ("copy", FLOAT, (1, 1, 3))],
        w=waves(3, 3),
    )
    network = save(
        tmp_path / "network.onnx",
        [op("Add", ["x", "condition"], ["w"]), op("Mul", ["w", "t"], ["y"])],
        [
            ("x", FLOAT, (1, HORIZON, 3)),
            ("t", FLOAT, (1,)),
            ("condition", FLOAT, (1, 1, 3)),
        ],
        [("y", FLOAT, (1, HORIZON, 3))],
    )
    graph = ForeignGraph(encoder, network)
    assert list(graph.inputs) == ["joints", "x", "t"]
    assert list(graph.outputs) == ["y", "copy"]
    given = {"joints": MEASURED[None, None], "x": waves(1, HORIZON, 3)}
    found = graph.run({**given, "t": np.array([2.0], np.float32)})["y"]
    np.testing.assert_allclose(found, 2 * (given["x"] + MEASURED @ waves(3, 3)), rtol=1e-5)
    with pytest.raises(BundleError, match="the same name"):
        ForeignGraph(network, network)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sample": "z"}, "denoiser.sample: the graph has no input z, it has x, t, joints"),
        ({"output": "z"}, "denoiser.output: the graph has no output z, it has y"),
        ({"timestep": "joints"}, "expected one value for a chunk"),
        ({"sampler": "flow"}, "timestep_scale: t is .* the steps are at 0, 0.1, 0.2, ...: set"),
    ],
)
def test_a_sampler_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    graph = ForeignGraph(write_network(tmp_path / "denoiser.onnx"))
    with pytest.raises(ConfigError, match=reason):
        DenoisingGraph(graph, Denoiser(**{**NAMES, **changes}))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"sample": ""}, "sample is empty"),
        ({"sampler": "flow", "times": (1.0, 1.0)}, "times is"),
        ({"num_inference_steps": 101}, "expected at most num_train_timesteps, 100"),
    ],
)
def test_an_invalid_sampler_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Denoiser(**{**NAMES, **values})


def test_standardised_actions_need_an_explicit_clip() -> None:
    values = mapping({"sampler": "ddim"})
    values["actions"] = {"y": {"mean": [0.0] * 3, "std": [1.0] * 3}}
    with pytest.raises(ConfigError, match="denoiser has no clip_sample_range: set that of"):
        mapping_of(**values)
    values["denoiser"]["clip_sample_range"] = 0
    denoiser = mapping_of(**values).denoiser
    assert denoiser is not None
    assert denoiser.clip_limit == np.inf


def test_the_steps_end_at_the_clean_chunk() -> None:
    table = sampler_table(Denoiser(**NAMES))
    assert table.times.tolist() == list(range(90, -1, -10))
    assert table.coefficients[-1, 4:].tolist() == [1.0, 0.0]


def test_a_first_mapping_names_the_network(tmp_path: Path) -> None:
    graph = ForeignGraph(write_network(tmp_path / "denoiser.onnx"))
    assert "denoiser:" not in draft_mapping(graph)
    renamed = onnx.load(graph.path)
    for node in renamed.graph.node:
        node.input[:] = ["noisy_action" if name == "x" else name for name in node.input]
    renamed.graph.input[0].name = "noisy_action"
    onnx.save(renamed, graph.path)
    values = yaml.safe_load(draft_mapping(ForeignGraph(graph.path), JOINTS))
    assert values["denoiser"]["sample"] == "noisy_action"
    assert values["denoiser"]["timestep"] == "t"
    assert "noise" not in values
    assert "constants" not in values
    mapping = from_mapping(PolicyMapping, values)
    assert mapping.denoiser is not None
    assert mapping.noise_inputs == ("noisy_action",)
