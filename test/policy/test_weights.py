"""The weights of a graph are counted as the library that wrote it counts them."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dbp_ros.errors import BundleError
from dbp_ros.policy.weights import count_weights
from dbp_ros.resources import resource_directory

SHIPPED = sorted((resource_directory() / "models").glob("*/*.onnx"))


def test_shapes_and_other_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    tensors = [
        helper.make_tensor("matrix", TensorProto.FLOAT, (3, 400), np.zeros(1200)),
        helper.make_tensor("scalar", TensorProto.FLOAT, (), [1.0]),
        helper.make_tensor("half", TensorProto.FLOAT16, (7,), np.zeros(7)),
        helper.make_tensor("short", TensorProto.INT8, (6,), np.zeros(6, np.int8)),
        helper.make_tensor("shape", TensorProto.INT64, (2,), [3, 400]),
        helper.make_tensor("none", TensorProto.FLOAT, (5, 0), []),
    ]
    graph = helper.make_graph([], "graph", [], [], tensors)
    onnx.save(helper.make_model(graph), tmp_path / "graph.onnx")
    assert count_weights(tmp_path / "graph.onnx") == 1200 + 1 + 7 + 6


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_graphs_hold_as_many_as_the_library_says(path: Path) -> None:
    tensors = onnx.load(path).graph.initializer
    kinds = (TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8)
    sizes = [int(np.prod(tensor.dims)) for tensor in tensors if tensor.data_type in kinds]
    assert count_weights(path) == sum(sizes) > 1000


@pytest.mark.parametrize("content", [b"\xff", b"\x3a\x7f", b"no graph at all"])
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "graph.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"graph.onnx is no ONNX graph"):
        count_weights(tmp_path / "graph.onnx")
