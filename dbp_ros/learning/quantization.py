"""Quantization of a model bundle.

A decision reads every weight of the head once, so memory bandwidth bounds its time. The quantized
bundle has the same inputs and outputs; the actions of its golden cases are those of full precision.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from dbp_ros.bundle.bundle import Bundle, read_bundle, sha256_of
from dbp_ros.bundle.golden import GoldenCases
from dbp_ros.bundle.manifest import JOINT_POSITION, STATE, Manifest, write_manifest
from dbp_ros.errors import BundleError
from dbp_ros.files import atomic_folder
from dbp_ros.learning.graph_weights import SHORT
from dbp_ros.policy.model import Model
from dbp_ros.policy_import.foreign_graph import nodes_of, subgraphs_of
from dbp_ros.types import Floats

LINEAR, CONVOLUTION = ("MatMul", "Gemm"), ("Conv",)
# Smaller tensors need little bandwidth, and may be shapes, scales or the joints' start positions.
SMALLEST_WEIGHT = 1024
# CPUs without VNNI add two products in 16 bits, which 8-bit weights overflow. With 7-bit weights a
# bundle gives the same actions on every CPU.
REDUCE_RANGE = True
# Factor on the golden tolerance of the source bundle, and limit for joint positions in [rad, m].
TOLERANCE_FACTOR, MAX_JOINT_TOLERANCE = 20.0, 0.02
# Calls of a recurrent policy for each observation, as errors of its state accumulate.
RECURRENT_CALLS = 20
REDUCED_TYPES = {
    *(TensorProto.INT8, TensorProto.UINT8, TensorProto.FLOAT16, TensorProto.BFLOAT16),
}

Feed = dict[str, Any]


@dataclass(frozen=True)
class QuantizationError:
    """Difference of a quantized bundle's actions from full precision, in their unit.

    Attributes:
        cases: Number of observations.
        error_mean: Mean absolute difference.
        error_p99: 99th percentile.
        error_max: Largest.
    """

    cases: int
    error_mean: float
    error_p99: float
    error_max: float


def quantize_bundle(
    source: Bundle, directory: Path, precision: str, recorded: GoldenCases, name: str, command: str
) -> QuantizationError:
    """Write a quantized bundle atomically.

    Args:
        source: A bundle of full precision.
        directory: Folder of the new bundle; an older one there is replaced.
        precision: One of `PRECISIONS`.
        recorded: Observations for the calibration and the error; its actions are not used.
        name: Name of the new model.
        command: Command line, for the manifest.

    Raises:
        BundleError: If the precision is unknown, the bundle has reduced weights, the graphs cannot
            be loaded, no weight is reduced, or an action differs too much from full precision;
            nothing is written.
    """
    if precision not in PRECISIONS:
        raise BundleError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    manifest = source.manifest
    if "reduced_from" in manifest.made_by:
        raise BundleError(
            f"model {manifest.name} has reduced weights ({manifest.made_by['precision']}), and its "
            "error would be measured against them: quantize the model of full precision"
        )
    with atomic_folder(directory) as staging:
        for file in manifest.files:
            shutil.copyfile(source.path(file), staging / file)
        # Quantize a copy: the quantizer writes files next to its input.
        PRECISIONS[precision](source, recorded, staging)
        _require_reduction(source, staging, precision)
        manifest = replace(
            manifest,
            name=name,
            proof=replace(manifest.proof, tolerance=_tolerance(manifest)),
            files={file: sha256_of(staging / file) for file in manifest.files},
            made_by={
                **manifest.made_by,
                "commands": [*manifest.made_by.get("commands", []), command],
                "precision": precision,
                "reduced_from": source.sha256,
            },
        )
        write_manifest(staging, manifest)
        quantized = Model(read_bundle(staging))
        _require_accuracy(quantized.golden_error(), manifest, precision)
        error = compare(Model(source), quantized, recorded)
        if manifest.recurrent is not None:
            _require_accuracy(error.error_max, manifest, precision)
        metrics = {
            **manifest.metrics,
            "reduction_cases": error.cases,
            "reduction_error_mean": float(f"{error.error_mean:.3g}"),
            "reduction_error_p99": float(f"{error.error_p99:.3g}"),
            "reduction_error_max": float(f"{error.error_max:.3g}"),
        }
        write_manifest(staging, replace(manifest, metrics=metrics))
    return error


def _tolerance(manifest: Manifest) -> float:
    """Return the largest allowed error of a quantized bundle, from the manifest of its source."""
    tolerance = manifest.proof.tolerance
    if manifest.action.meaning != JOINT_POSITION:
        # In the unit of the actions, such as pixels.
        return TOLERANCE_FACTOR * tolerance
    return max(tolerance, min(TOLERANCE_FACTOR * tolerance, MAX_JOINT_TOLERANCE))


def _require_accuracy(worst: float, manifest: Manifest, precision: str) -> None:
    """Raise `BundleError` if the largest error of an action exceeds the tolerance, or is NaN."""
    tolerance = manifest.proof.tolerance
    if not worst <= tolerance:
        raise BundleError(
            f"the actions of {precision} differ by {worst:.2g} from full precision, expected "
            f"at most {tolerance:.2g}: nothing was written, choose another precision"
        )


def _require_reduction(source: Bundle, directory: Path, precision: str) -> None:
    """Raise `BundleError` if a precision reduces no weight of a bundle."""
    graphs = (source.manifest.head, *(camera.encoder for camera in source.manifest.cameras))
    if all(_reduced(directory / name) == _reduced(source.path(name)) for name in graphs):
        raise BundleError(
            f"{precision} reduces no weight of {source.directory}: nothing was written, choose "
            f"another precision; all reduce {', '.join(LINEAR)} of at least {SMALLEST_WEIGHT} "
            "weights (int8_static only outside of loops), float16 and bfloat16 also other layers"
        )


def _reduced(path: Path) -> int:
    """Return the number of weights of a graph that are not in full precision."""
    return sum(
        weight.data_type in REDUCED_TYPES and int(np.prod(weight.dims)) >= SMALLEST_WEIGHT
        for graph in _graphs_of(onnx.load(path).graph)
        for weight in graph.initializer
    )


def _graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and its subgraphs."""
    yield graph
    for node in nodes_of(graph):
        yield from subgraphs_of(node)


def compare(source: Model, quantized: Model, recorded: GoldenCases) -> QuantizationError:
    """Return the difference between the actions of two models on recorded observations."""
    errors = [
        np.abs(predict_case(quantized, recorded, case) - predict_case(source, recorded, case))
        for case in range(len(recorded.positions))
    ]
    percentile = float(np.percentile(errors, 99))
    return QuantizationError(len(errors), float(np.mean(errors)), percentile, float(np.max(errors)))


def predict_case(model: Model, recorded: GoldenCases, case: int) -> Floats:
    """Return the chunk of a recorded observation. Shape (horizon, nu).

    That of a recurrent policy is the last of `RECURRENT_CALLS`.
    """
    features = model.encode_case(recorded, case)
    inputs = recorded.positions[case], features, recorded.latent[case]
    if model.initial_state is None:
        return model.predict(*inputs)
    state = model.initial_state
    for _ in range(RECURRENT_CALLS):
        action, state = model.advance(*inputs, state)
    return action


class _RecordedFeeds(CalibrationDataReader):  # type: ignore[misc]
    """Recorded inputs of a calibration."""

    def __init__(self, feeds: Iterator[Feed]) -> None:
        self._feeds = feeds

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def _head_feeds(source: Bundle, recorded: GoldenCases) -> Iterator[Feed]:
    model = Model(source)
    for case in range(len(recorded.positions)):
        features = model.encode_case(recorded, case)
        positions, latent = recorded.positions[case], recorded.latent[case]
        feed = {
            "positions": positions[None],
            "latent": latent[None],
            **{f"features.{sensor}": value[None] for sensor, value in features.items()},
        }
        if source.manifest.stochastic:
            feed["noise"] = np.zeros_like(latent)[None]
        if (state := model.initial_state) is None:
            yield feed
            continue
        for _ in range(RECURRENT_CALLS):
            yield {**feed, STATE: state[None]}
            _, state = model.advance(positions, features, latent, state)


def _dynamic(source: Bundle, recorded: GoldenCases, directory: Path) -> None:
    """Quantize the head's weights to 8 bits, with dynamic scales of the activations.

    The layers that read the joint positions, and small ones, remain in full precision.
    """
    head = directory / source.manifest.head
    with _quiet():
        quantize_dynamic(
            head,
            head,
            op_types_to_quantize=LINEAR,
            nodes_to_exclude=_precise_layers(_named_graph(head)),
            per_channel=True,
            reduce_range=REDUCE_RANGE,
            weight_type=QuantType.QInt8,
            # The network of a denoiser is in a loop.
            extra_options={"EnableSubgraph": True},
        )


def _named_graph(path: Path) -> onnx.GraphProto:
    """Name the nodes of a graph without a name, by which the quantizer excludes them; return it."""
    model = onnx.load(path)
    for number, node in enumerate(nodes_of(model.graph)):
        node.name = node.name or f"unnamed_{number}"
    onnx.save(model, path)
    return model.graph


def _precise_layers(graph: onnx.GraphProto) -> list[str]:
    """Return the linear layers that cost little in full precision and much error in 8 bits.

    Joint positions share a tensor, and thus one scale, with larger image features: 8 bits of it
    are some 0.01 rad.
    """
    sizes = {
        weight.name: int(np.prod(weight.dims))
        for part in _graphs_of(graph)
        for weight in part.initializer
    }
    observed, precise = {"positions"}, []
    for node in nodes_of(graph):
        reads_positions = not observed.isdisjoint(node.input)
        if node.op_type not in LINEAR:
            observed.update(node.output if reads_positions else ())
        elif reads_positions or any(
            sizes.get(name, 0) < SMALLEST_WEIGHT for name in node.input[1:2]
        ):
            # The quantizer splits a Gemm into this MatMul and an Add.
            precise += [node.name, f"{node.name}_MatMul"]
    return precise


def _static(source: Bundle, recorded: GoldenCases, directory: Path) -> None:
    """Quantize the head's weights and activations to 8 bits, calibrated on observations.

    The same layers as in `_dynamic` remain in full precision, and those inside of loops, which
    ONNX Runtime calibrates and quantizes in the top level of a graph only.
    """
    feeds = _head_feeds(source, recorded)
    head = directory / source.manifest.head
    _quantize_static(head, feeds, LINEAR, _precise_layers(_named_graph(head)))


def _int8_all(source: Bundle, recorded: GoldenCases, directory: Path) -> None:
    """Quantize the head's weights and the calibrated convolutions of the encoders to 8 bits."""
    _dynamic(source, recorded, directory)
    for camera in source.manifest.cameras:
        frames = recorded.images[camera.name]
        feeds = iter([{"image": frame} for case in frames for frame in case])
        _quantize_static(directory / camera.encoder, feeds, CONVOLUTION)


def _quantize_static(
    path: Path, feeds: Iterator[Feed], op_types: tuple[str, ...], precise: Sequence[str] = ()
) -> None:
    with _quiet():
        quantize_static(
            path,
            path,
            _RecordedFeeds(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=op_types,
            nodes_to_exclude=list(precise),
            per_channel=True,
            reduce_range=REDUCE_RANGE,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def _half_precision(data_type: int, source: Bundle, recorded: GoldenCases, directory: Path) -> None:
    """Store the head's weights in 16 bits, with a cast to 32 bits in the graph."""
    head = directory / source.manifest.head
    model = onnx.load(head)
    initializers, casts = [], []
    for weight in model.graph.initializer:
        value = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or value.size < SMALLEST_WEIGHT:
            initializers.append(weight)
            continue
        short = f"{weight.name}{SHORT}"
        initializers.append(_to_16_bits(short, value, data_type))
        casts.append(helper.make_node("Cast", [short], [weight.name], to=TensorProto.FLOAT))
    del model.graph.initializer[:]
    model.graph.initializer.extend(initializers)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, head)


def _to_16_bits(name: str, value: Floats, data_type: int) -> TensorProto:
    """Return an initialiser in 16 bits, rounded to the nearest, ties to even."""
    if data_type == TensorProto.FLOAT16:
        return numpy_helper.from_array(value.astype(np.float16), name)
    bits = np.ascontiguousarray(value).view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return helper.make_tensor(name, data_type, value.shape, rounded.tobytes(), raw=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantizer, which logs on the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


PRECISIONS: dict[str, Callable[[Bundle, GoldenCases, Path], None]] = {
    "int8": _dynamic,
    "int8_all": _int8_all,
    "int8_static": _static,
    "float16": partial(_half_precision, TensorProto.FLOAT16),
    "bfloat16": partial(_half_precision, TensorProto.BFLOAT16),
}
