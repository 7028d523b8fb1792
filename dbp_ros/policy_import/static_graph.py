"""A graph with fixed input shapes, folded constants and the operators of the bundle's opset."""

import tempfile
from pathlib import Path

import onnx
import onnx.version_converter
import onnxruntime as ort

from dbp_ros.errors import BundleError
from dbp_ros.policy_import.foreign_graph import (
    ForeignGraph,
    nodes_of,
    opset_of,
    serialized,
)
from dbp_ros.policy_import.graph_builder import OPSET
from dbp_ros.policy_import.graph_names import add_prefix
from dbp_ros.policy_import.plan import ImportPlan

POLICY = "policy/"


def static_graph(graph: ForeignGraph, plan: ImportPlan) -> onnx.ModelProto:
    """Return an equivalent graph whose tensors are named `policy/...`.

    With fixed shapes ONNX Runtime folds the operators that only compute shapes, which would
    otherwise connect the images with the other inputs.

    Raises:
        BundleError: If the graph is of an old opset and cannot be converted, or is too large.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    for value in model.graph.input:
        if value.name in plan.inputs:
            for dim, size in zip(
                value.type.tensor_type.shape.dim, plan.shape_of(value.name), strict=True
            ):
                dim.dim_value = size
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    if graph.opset < OPSET:
        model = _converted(graph, model)
    folded = _folded(graph.path, model)
    add_prefix(folded, POLICY)
    return folded


def _converted(graph: ForeignGraph, model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        converted = onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:
        problem = f"has opset {graph.opset} and cannot be converted to {OPSET}"
        raise _old_opset(graph.path, problem, error) from error
    return converted


def _old_opset(path: Path, problem: str, error: Exception) -> BundleError:
    first_line = str(error).splitlines()[0]
    return BundleError(
        f"{path} {problem} ({first_line}): export it with opset_version={OPSET} or later"
    )


def _folded(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model after the basic optimizations of ONNX Runtime, if its operators allow it."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "folded.onnx")
        source.write_bytes(serialized(path, model))
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 3
        try:
            ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            sizes = "does not load with the sizes of the mapping and the operators of opset"
            raise _old_opset(path, f"{sizes} {OPSET}", error) from error
        folded = onnx.load(target)
    domains = {node.domain for node in nodes_of(model.graph)}
    unusual = {node.domain for node in nodes_of(folded.graph)} - domains
    return folded if not unusual and opset_of(folded) >= OPSET else model
