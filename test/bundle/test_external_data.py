"""Every external file of a graph is found, in any part of the graph."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dbp_ros.bundle.external_data import external_files
from dbp_ros.errors import BundleError


def tensor(location: str = "") -> TensorProto:
    """Return a tensor whose values are in the graph, or in a file."""
    made = numpy_helper.from_array(np.arange(3, dtype=np.float32), "tensor")
    if location:
        made.ClearField("raw_data")
        made.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0")):
            entry = made.external_data.add()
            entry.key, entry.value = key, value
    return made


def constant(location: str = "") -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], value=tensor(location))


def graph(nodes=(), tensors=()) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "graph", [], [], list(tensors))


def branch(inner: onnx.GraphProto) -> onnx.NodeProto:
    return helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=graph())


def sparse(location: str) -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.arange(3, dtype=np.int64), "indices")
    return onnx.SparseTensorProto(values=tensor(location), indices=indices, dims=[9])


GRAPHS = {
    "an initialiser": graph(tensors=[tensor(), tensor("w")]),
    "an attribute": graph([constant("w")]),
    "a branch": graph([branch(graph([branch(graph(tensors=[tensor("w")]))]))]),
    "a sparse tensor": onnx.GraphProto(name="graph", sparse_initializer=[sparse("w")]),
    "a list": graph([helper.make_node("Any", [], [], many=[tensor(), tensor("w")])]),
}


def found(model: onnx.ModelProto, path: Path) -> set[str]:
    path.write_bytes(model.SerializeToString())
    return external_files(path)


@pytest.mark.parametrize("where", GRAPHS)
def test_a_reference_is_found(tmp_path: Path, where: str) -> None:
    model = helper.make_model(GRAPHS[where])
    assert found(model, tmp_path / "graph.onnx") == {"w"}


def test_a_reference_in_a_function_is_found(tmp_path: Path) -> None:
    model = helper.make_model(graph())
    model.functions.append(helper.make_function("custom", "f", [], ["c"], [constant("../w")], []))
    assert found(model, tmp_path / "graph.onnx") == {"../w"}


def test_a_reference_in_a_default_of_a_function_is_found(tmp_path: Path) -> None:
    default = helper.make_attribute("value", tensor("../w"))
    function = helper.make_function("custom", "f", [], [], [], [], attribute_protos=[default])
    model = helper.make_model(graph(), functions=[function])
    assert found(model, tmp_path / "graph.onnx") == {"../w"}


def test_a_compiled_engine_counts_as_external_data(tmp_path: Path) -> None:
    node = helper.make_node("EPContext", [], [], domain="com.microsoft", ep_cache_context="e")
    assert found(helper.make_model(graph([node])), tmp_path / "graph.onnx") != set()


def test_a_graph_without_external_data_has_no_references(tmp_path: Path) -> None:
    model = helper.make_model(graph([constant(), branch(graph([constant()]))], [tensor()]))
    assert found(model, tmp_path / "graph.onnx") == set()


@pytest.mark.parametrize("content", [b"\xff", b"\x3a\x7f", b"no graph at all", b"\x3a\x02\x2a\x05"])
def test_an_invalid_graph_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "graph.onnx").write_bytes(content)
    with pytest.raises(BundleError, match="not an ONNX graph"):
        external_files(tmp_path / "graph.onnx")
