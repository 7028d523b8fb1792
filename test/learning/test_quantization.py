"""A quantized bundle has nearly the same actions, provenance and golden cases."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from dbp_ros.bundle.bundle import Bundle, read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import AS_RECORDED, JOINT_POSITION, write_manifest
from dbp_ros.cli.main import main
from dbp_ros.errors import BundleError
from dbp_ros.learning.quantization import PRECISIONS, predict_case, quantize_bundle
from dbp_ros.policy.model import Model


def quantized(source: Bundle, directory: Path, precision: str) -> Bundle:
    recorded = read_golden(source)
    quantize_bundle(source, directory, precision, recorded, "small", "dbp quantize")
    return read_bundle(directory)


ROUNDING = ("DynamicQuantizeLinear", "QuantizeLinear")


@pytest.mark.parametrize("precision", ["int8", "int8_all", "float16", "bfloat16"])
def test_quantized_actions_are_within_tolerance(
    float_bundle: Bundle, tmp_path: Path, precision: str
) -> None:
    bundle, golden = (
        quantized(float_bundle, tmp_path / "small", precision),
        read_golden(float_bundle),
    )
    model = Model(bundle)
    error = np.abs(predict_case(model, golden, 0) - golden.action[0]).max()
    assert 0 < error < 0.01
    assert model.self_test() < bundle.manifest.proof.tolerance
    sizes = [item.path(item.manifest.head).stat().st_size for item in (bundle, float_bundle)]
    assert sizes[0] < 0.7 * sizes[1]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_nothing_is_written_into_the_folder_of_the_source(
    float_bundle: Bundle, tmp_path: Path, precision: str
) -> None:
    """Not even temporarily, since other processes read the folder."""
    before = float_bundle.directory.stat().st_mtime_ns
    quantized(float_bundle, tmp_path / "small", precision)
    assert float_bundle.directory.stat().st_mtime_ns == before


def test_the_golden_cases_are_those_of_full_precision(float_bundle: Bundle, tmp_path: Path) -> None:
    bundle = quantized(float_bundle, tmp_path / "small", "int8")
    np.testing.assert_array_equal(read_golden(bundle).action, read_golden(float_bundle).action)
    assert bundle.manifest.proof.tolerance == 20 * float_bundle.manifest.proof.tolerance


def test_the_manifest_names_source_and_command(float_bundle: Bundle, tmp_path: Path) -> None:
    manifest = quantized(float_bundle, tmp_path / "small", "int8").manifest
    assert manifest.name == "small"
    assert manifest.made_by["commands"][-1] == "dbp quantize"
    assert manifest.made_by["reduced_from"] == float_bundle.sha256
    assert manifest.metrics["reduction_cases"] == 8
    assert 0 < manifest.metrics["reduction_error_mean"] < manifest.metrics["reduction_error_max"]


def test_a_weight_in_bfloat16_is_rounded_to_the_nearest(
    float_bundle: Bundle, tmp_path: Path
) -> None:
    bundle = quantized(float_bundle, tmp_path / "small", "bfloat16")
    heads = [onnx.load(item.path(item.manifest.head)) for item in (float_bundle, bundle)]
    before, after = ({w.name: w for w in head.graph.initializer} for head in heads)
    name = next(name for name in before if f"{name}.short" in after)
    value = numpy_helper.to_array(before[name])
    short = numpy_helper.to_array(after[f"{name}.short"]).astype(np.float32)
    assert np.all(np.abs(short - value) <= np.abs(value) * 2.0**-8)


def test_the_sum_of_two_products_fits_16_bits(float_bundle: Bundle, tmp_path: Path) -> None:
    """Activations are unsigned 8-bit integers."""
    bundle = quantized(float_bundle, tmp_path / "small", "int8_all")
    for file in (bundle.manifest.head, *(c.encoder for c in bundle.manifest.cameras)):
        weights = onnx.load(bundle.path(file)).graph.initializer
        small = [numpy_helper.to_array(w) for w in weights if w.data_type == TensorProto.INT8]
        largest = max(int(np.abs(value.astype(int)).max()) for value in small if value.size > 1000)
        assert 0 < 2 * 255 * largest <= np.iinfo(np.int16).max, file


@pytest.mark.parametrize("precision", ["int8", "int8_all", "int8_static"])
def test_joint_positions_are_not_rounded_to_8_bits(
    float_bundle: Bundle, tmp_path: Path, precision: str
) -> None:
    """They are an input of the network, and the actions are relative to them."""
    bundle = quantized(float_bundle, tmp_path / "small", precision)
    reached, quantizers = {"positions"}, 0
    for node in onnx.load(bundle.path(bundle.manifest.head)).graph.node:
        quantizers += node.op_type in ROUNDING
        if node.op_type not in ("MatMul", "Gemm") and not reached.isdisjoint(node.input):
            assert node.op_type not in ROUNDING, node.name
            reached.update(node.output)
    assert quantizers > 2


def test_a_bundle_outside_of_the_tolerance_is_not_written(
    float_bundle: Bundle, tmp_path: Path
) -> None:
    strict = tmp_path / "strict"
    shutil.copytree(float_bundle.directory, strict)
    golden = replace(float_bundle.manifest.proof, tolerance=1e-5)
    write_manifest(strict, replace(float_bundle.manifest, proof=golden))
    with pytest.raises(BundleError, match=r"from full precision, .* most 0\.0002"):
        quantized(read_bundle(strict), tmp_path / "small", "int8")
    assert not (tmp_path / "small").exists()


def test_a_model_with_reduced_weights_is_refused(float_bundle: Bundle, tmp_path: Path) -> None:
    made_by = {**float_bundle.manifest.made_by, "reduced_from": "0", "precision": "int8"}
    reduced = replace(float_bundle, manifest=replace(float_bundle.manifest, made_by=made_by))
    with pytest.raises(BundleError, match=r"has reduced weights \(int8\), .* full precision"):
        quantized(reduced, tmp_path / "again", "float16")


def test_an_unknown_precision_is_refused(float_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=f"'int3', expected one of {', '.join(PRECISIONS)}"):
        quantized(float_bundle, tmp_path / "small", "int3")


def test_the_command_prints_the_quantization_error(
    float_bundle: Bundle, tmp_path: Path, capsys
) -> None:
    model, out = str(float_bundle.directory), str(tmp_path / "small")
    assert main(["quantize", "--model", model, "--out", out]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "toy-int8" in printed
    assert "on 8 recorded observations differ from full precision by" in printed


def test_a_bundle_is_not_replaced_by_its_quantized_one(
    float_bundle: Bundle, tmp_path: Path, capsys
) -> None:
    model = tmp_path / "model"
    shutil.copytree(float_bundle.directory, model)
    (tmp_path / "link").symlink_to(model)
    assert main(["quantize", "--model", str(model), "--out", str(tmp_path / "link")]) == 1
    assert "link is the folder of --model, which would be replaced" in capsys.readouterr().err
    assert read_bundle(model).sha256 == float_bundle.sha256


@pytest.mark.parametrize(
    ("tolerance", "meaning", "expected"),
    [
        (1e-3, JOINT_POSITION, 0.02),
        (3e-3, JOINT_POSITION, 0.02),
        (0.1, JOINT_POSITION, 0.1),
        (0.5, AS_RECORDED, 10.0),
    ],
)
def test_the_tolerance_of_joint_positions_is_limited(
    float_bundle: Bundle, tmp_path: Path, tolerance: float, meaning: str, expected: float
) -> None:
    manifest, copy = float_bundle.manifest, tmp_path / "copy"
    shutil.copytree(float_bundle.directory, copy)
    golden = replace(manifest.proof, tolerance=tolerance)
    action = replace(manifest.action, meaning=meaning)
    write_manifest(copy, replace(manifest, proof=golden, action=action))
    small = quantized(read_bundle(copy), tmp_path / "small", "float16")
    assert small.manifest.proof.tolerance == expected
