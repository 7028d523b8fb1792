"""An ONNX graph that was trained elsewhere: its inputs, outputs and values on the CPU."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import AttributeProto, helper

from dbp_ros.errors import BundleError
from dbp_ros.policy_import.graph_merge import merge

# A size that depends on the input has a name in the graph, or none.
Size: TypeAlias = int | str
Tensors: TypeAlias = dict[str, NDArray[Any]]

# Operators whose output differs from run to run.
RANDOM = {
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
    *("Bernoulli", "Multinomial"),
}
# A protocol buffer, such as one ONNX file, is smaller than 2 GiB.
MAX_BYTES = 2**31 - 1
STANDARD_DOMAINS = {"", "ai.onnx"}


@dataclass(frozen=True)
class TensorSpec:
    """Type and shape of an input or output.

    Attributes:
        dtype: Type of the elements.
        shape: Sizes of the axes; names for those that are not fixed.
    """

    dtype: np.dtype[Any]
    shape: tuple[Size, ...]

    def __str__(self) -> str:
        """Return type and shape, such as `float32 (1, 3, height, width)`."""
        return f"{self.dtype} ({', '.join(map(str, self.shape))})"


class ForeignGraph:
    """Graph of a policy, run without any change.

    Attributes:
        path: The ONNX file.
        files: All its files, with that of a separate denoising network.
        model: Its content.
        inputs: Inputs by name.
        outputs: Outputs by name.
    """

    def __init__(self, path: Path, denoiser: Path | None = None) -> None:
        """Load a graph.

        Args:
            path: The ONNX file.
            denoiser: ONNX file of a denoising network that takes outputs of the first file.

        Raises:
            BundleError: If a file cannot be loaded, or the graph is not deterministic.
        """
        self.path = path
        self.files = (path,) if denoiser is None else (path, denoiser)
        if denoiser is None:
            self.model, self._session = _load(path), _session(path, str(path))
        else:
            policy, network = _load(path), _load(denoiser)
            _require_size(denoiser, policy, network)
            self.model = merge(policy, network)
            self._session = _session(denoiser, serialized(denoiser, self.model))
        graph = self.model.graph
        weights = {weight.name for weight in graph.initializer}
        self.inputs = {i.name: _spec(path, i) for i in graph.input if i.name not in weights}
        self.outputs = {output.name: _spec(path, output) for output in graph.output}
        bodies = (graph, *self.model.functions)
        operators = {node.op_type for body in bodies for node in nodes_of(body)}
        if found := sorted(operators & RANDOM):
            raise BundleError(
                f"{path} samples random numbers ({', '.join(found)}), so it has no reproducible "
                "output: export it with the noise as an input, and map that to noise; a denoising "
                "loop with noise between its steps, without the loop, and map it to denoiser"
            )

    @property
    def opset(self) -> int:
        """Version of the standard operators."""
        return opset_of(self.model)

    @property
    def num_nodes(self) -> int:
        """Number of nodes, with those of subgraphs."""
        return sum(1 for _ in nodes_of(self.model.graph))

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Tensors:
        """Return all outputs by name.

        Raises:
            BundleError: If the graph cannot run with these inputs.
        """
        try:
            values = self._session.run(None, dict(feeds))
        except Exception as error:
            first_line = str(error).splitlines()[0]
            shapes = ", ".join(f"{name} {value.shape}" for name, value in feeds.items())
            raise BundleError(
                f"{self.path} does not run with {shapes} ({first_line}): correct the sizes in the "
                "mapping"
            ) from error
        return dict(zip(self.outputs, values, strict=True))


def nodes_of(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.NodeProto]:
    """Yield all nodes of a graph or a function, with those of subgraphs."""
    for node in graph.node:
        yield node
        for subgraph in subgraphs_of(node):
            yield from nodes_of(subgraph)


def subgraphs_of(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs in the attributes of a node."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators of a model."""
    versions = (item.version for item in model.opset_import if item.domain in STANDARD_DOMAINS)
    return int(max(versions))


def serialized(path: Path, model: onnx.ModelProto) -> bytes:
    """Return the content of one file.

    Args:
        path: Name of the file in errors.
        model: Its graph.

    Raises:
        BundleError: If it exceeds the limit of a protocol buffer.
    """
    try:
        content: bytes = model.SerializeToString()
    except Exception as error:
        raise _too_large(path, error) from error
    return content


def _load(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)
    except Exception as error:
        raise _not_loaded(path, error) from error
    _require_size(path, model)
    return model


def _require_size(path: Path, *models: onnx.ModelProto) -> None:
    try:
        size = sum(weight.ByteSize() for model in models for weight in model.graph.initializer)
    except Exception as error:
        raise _too_large(path, error) from error
    if size > MAX_BYTES:
        raise BundleError(
            f"{path} has {size / 1e9:.2f} GB of weights, and one ONNX file of a bundle holds "
            f"{MAX_BYTES / 1e9:.2f} GB: export a smaller policy, or one in float16"
        )


def _too_large(path: Path, error: Exception) -> BundleError:
    return BundleError(
        f"{path} is too large for one file ({error}): expected a policy below 2 GB: export a "
        "smaller one, or one in float16"
    )


def _session(path: Path, source: str | bytes) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(source, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _not_loaded(path, error) from error


def _not_loaded(path: Path, error: Exception) -> BundleError:
    first_line = str(error).splitlines()[0]
    return BundleError(
        f"{path} cannot be loaded ({first_line}): expected an ONNX file that ONNX Runtime "
        f"{ort.__version__} runs, with its external data in the same folder"
    )


def _spec(path: Path, value: onnx.ValueInfoProto) -> TensorSpec:
    if not value.type.HasField("tensor_type"):
        raise BundleError(
            f"{path}: {value.name} is no tensor: export a policy of tensors without sequences"
        )
    tensor = value.type.tensor_type
    sizes = tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?"
        for dim in tensor.shape.dim
    )
    return TensorSpec(np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)), sizes)
