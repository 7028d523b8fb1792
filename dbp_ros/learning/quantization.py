"""A model bundle in fewer bits: the same graphs, with weights that are faster to read.

One decision reads every weight of the head once and computes little with it, so its time is that
of reading. The bundle that comes out is one like any other: same inputs, same outputs, a manifest
and a proof of its own, whose answers are those of full precision.
"""

import logging
import shutil
from collections.abc import Callable, Iterator
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
from dbp_ros.bundle.manifest import write_manifest
from dbp_ros.errors import BundleError
from dbp_ros.files import folder_aside
from dbp_ros.policy.model import Model
from dbp_ros.types import Floats

LINEAR, CONVOLUTION = ("MatMul", "Gemm"), ("Conv",)
# A smaller tensor costs nothing to read and may hold a shape or a scale.
SMALLEST_WEIGHT = 1024
# A processor without instructions for products of bytes (VNNI) adds two of them in 16 bits, which
# weights of 8 bits overflow: the same bundle would decide something else there.
SEVEN_BITS = True
# How much further from its proof a reduced bundle may be than the bundle that it was made from:
# 0.01 rad for one of ours.
LOOSER = 10.0

Feeds = dict[str, Any]


@dataclass(frozen=True)
class QuantizationError:
    """What fewer bits cost.

    Attributes:
        cases: Recorded observations that both bundles were asked about.
        error_mean: Mean distance of a number of an action from full precision's, in its unit.
        error_p99: The distance that one number of a hundred is beyond.
        error_max: The largest distance.
    """

    cases: int
    error_mean: float
    error_p99: float
    error_max: float


def quantize_bundle(
    source: Bundle, directory: Path, precision: str, recorded: GoldenCases, name: str, command: str
) -> QuantizationError:
    """Write a bundle with fewer bits aside and rename it.

    Args:
        source: A bundle of full precision.
        directory: Folder of the new bundle; an older one there is replaced.
        precision: One of `PRECISIONS`.
        recorded: Observations to calibrate with and to tell the error on; its actions are not
            used.
        name: Name of the new model.
        command: Command line that makes it, for the manifest.

    Raises:
        BundleError: If the precision is unknown, the graphs cannot be loaded here, or an action
            is too far from that of full precision: then nothing is written.
    """
    if precision not in PRECISIONS:
        raise BundleError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    whole, manifest = Model(source), source.manifest
    with folder_aside(directory) as aside:
        for file in manifest.files:
            shutil.copyfile(source.path(file), aside / file)
        # On the copy: the quantiser writes beside the graph that it reads.
        PRECISIONS[precision](source, recorded, aside)
        manifest = replace(
            manifest,
            name=name,
            proof=replace(manifest.proof, tolerance=LOOSER * manifest.proof.tolerance),
            files={file: sha256_of(aside / file) for file in manifest.files},
            made_by={
                **manifest.made_by,
                "commands": [*manifest.made_by.get("commands", []), command],
                "precision": precision,
                "reduced_from": source.sha256,
            },
        )
        write_manifest(aside, manifest)
        reduced = Model(read_bundle(aside))
        _require_near(reduced, precision)
        found = compare(whole, reduced, recorded)
        metrics = {
            **manifest.metrics,
            "reduction_cases": found.cases,
            "reduction_error_mean": float(f"{found.error_mean:.3g}"),
            "reduction_error_p99": float(f"{found.error_p99:.3g}"),
            "reduction_error_max": float(f"{found.error_max:.3g}"),
        }
        write_manifest(aside, replace(manifest, metrics=metrics))
    return found


def _require_near(reduced: Model, precision: str) -> None:
    worst, tolerance = reduced.difference(), reduced.manifest.proof.tolerance
    if not worst <= tolerance:
        raise BundleError(
            f"{precision} gives actions {worst:.2g} away from those of full precision, expected "
            f"at most {tolerance:.2g}: nothing was written, choose another precision"
        )


def compare(whole: Model, reduced: Model, recorded: GoldenCases) -> QuantizationError:
    """Return how far the actions of two models are apart on recorded observations."""
    apart = [
        np.abs(answer(reduced, recorded, case) - answer(whole, recorded, case))
        for case in range(len(recorded.positions))
    ]
    percentile = float(np.percentile(apart, 99))
    return QuantizationError(len(apart), float(np.mean(apart)), percentile, float(np.max(apart)))


def answer(model: Model, recorded: GoldenCases, case: int) -> Floats:
    """Return a model's whole decision on a recorded observation. Shape (horizon, nu)."""
    features = model.features(recorded, case)
    return model.decide(recorded.positions[case], features, recorded.latent[case])


class _Recorded(CalibrationDataReader):  # type: ignore[misc]
    """Hands recorded inputs to a calibration, one after the other."""

    def __init__(self, feeds: Iterator[Feeds]) -> None:
        self._feeds = feeds

    def get_next(self) -> Feeds | None:
        return next(self._feeds, None)


def _head_feeds(source: Bundle, recorded: GoldenCases) -> Iterator[Feeds]:
    model = Model(source)
    for case in range(len(recorded.positions)):
        features = model.features(recorded, case)
        yield {
            "positions": recorded.positions[case][None],
            "latent": recorded.latent[case][None],
            **{f"features.{sensor}": seen[None] for sensor, seen in features.items()},
        }


def _dynamic(source: Bundle, recorded: GoldenCases, directory: Path) -> None:
    """Give the head weights of 8 bits; what flows between them is scaled as it comes."""
    head = directory / source.manifest.head
    with _quiet():
        quantize_dynamic(
            head,
            head,
            op_types_to_quantize=LINEAR,
            per_channel=True,
            reduce_range=SEVEN_BITS,
            weight_type=QuantType.QInt8,
        )


def _static(source: Bundle, recorded: GoldenCases, directory: Path) -> None:
    """Give the head weights and activations of 8 bits, scaled as recorded observations ask."""
    feeds = _head_feeds(source, recorded)
    _calibrated(directory / source.manifest.head, feeds, LINEAR)


def _everything(source: Bundle, recorded: GoldenCases, directory: Path) -> None:
    """Give the head weights of 8 bits, and the cameras' convolutions 8 bits as recorded."""
    _dynamic(source, recorded, directory)
    for camera in source.manifest.cameras:
        frames = recorded.images[camera.name]
        feeds = iter([{"image": frame} for case in frames for frame in case])
        _calibrated(directory / camera.encoder, feeds, CONVOLUTION)


def _calibrated(path: Path, feeds: Iterator[Feeds], kinds: tuple[str, ...]) -> None:
    with _quiet():
        quantize_static(
            path,
            path,
            _Recorded(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=kinds,
            per_channel=True,
            reduce_range=SEVEN_BITS,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def _halved(kind: int, source: Bundle, recorded: GoldenCases, directory: Path) -> None:
    """Store the head's weights in 16 bits and widen them in the graph."""
    head = directory / source.manifest.head
    model = onnx.load(head)
    kept, casts = [], []
    for weight in model.graph.initializer:
        value = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or value.size < SMALLEST_WEIGHT:
            kept.append(weight)
            continue
        short = f"{weight.name}.short"
        kept.append(_short(short, value, kind))
        casts.append(helper.make_node("Cast", [short], [weight.name], to=TensorProto.FLOAT))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, head)


def _short(name: str, value: Floats, kind: int) -> TensorProto:
    """Return an initialiser in 16 bits, rounded to the nearest, ties to even."""
    if kind == TensorProto.FLOAT16:
        return numpy_helper.from_array(value.astype(np.float16), name)
    bits = np.ascontiguousarray(value).view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return helper.make_tensor(name, kind, value.shape, rounded.tobytes(), raw=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice, which it gives on the root logger, from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


PRECISIONS: dict[str, Callable[[Bundle, GoldenCases, Path], None]] = {
    "int8": _dynamic,
    "int8_all": _everything,
    "int8_static": _static,
    "float16": partial(_halved, TensorProto.FLOAT16),
    "bfloat16": partial(_halved, TensorProto.BFLOAT16),
}
