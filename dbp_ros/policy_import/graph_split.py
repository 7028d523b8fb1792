"""The part of a graph that depends on one image only, which runs once for each image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx.shape_inference
from onnx import TensorProto

from dbp_ros.policy_import.foreign_graph import subgraphs_of


@dataclass(frozen=True)
class ImageBranch:
    """Tensors that depend on one image only and are read by the rest of the graph.

    Attributes:
        tensors: Shape of each tensor, all of float32.
    """

    tensors: dict[str, tuple[int, ...]]

    @property
    def feature_size(self) -> int:
        """Number of values of all tensors."""
        return sum(int(np.prod(shape)) for shape in self.tensors.values())


def image_branch(model: onnx.ModelProto, image: str) -> ImageBranch | None:
    """Return the branch of an image; None if its tensors are not float32 of fixed shape.

    Args:
        model: A graph with fixed input shapes.
        image: Input of the image.
    """
    graph = model.graph
    sources = dependencies(graph)
    own = {name for name, inputs in sources.items() if inputs == {image}}
    outputs = {value.name for value in graph.output}
    inside = [node for node in graph.node if own.issuperset(node.output)]
    names = {id(node) for node in inside}
    read = [name for node in graph.node if id(node) not in names for name in reads(node)]
    boundary = [name for name in dict.fromkeys((*read, *outputs)) if name in own]
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    known = {v.name: v.type.tensor_type for v in (*inferred.value_info, *inferred.input)}
    tensors = dict[str, tuple[int, ...]]()
    for name in boundary:
        tensor = known.get(name)
        if tensor is None or tensor.elem_type != TensorProto.FLOAT:
            return None
        if not all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            return None
        tensors[name] = tuple(dim.dim_value for dim in tensor.shape.dim)
    return ImageBranch(tensors)


def dependencies(graph: onnx.GraphProto) -> Mapping[str, frozenset[str]]:
    """Return the inputs that each tensor of a graph depends on."""
    weights = {weight.name for weight in graph.initializer}
    found = {value.name: frozenset([value.name]) for value in graph.input}
    found |= dict.fromkeys(weights, frozenset())
    for node in graph.node:
        inputs = frozenset[str]().union(*(found.get(name, frozenset()) for name in reads(node)))
        found |= dict.fromkeys(node.output, inputs)
    return found


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the tensors that a node reads, with those that its subgraphs read from outside."""
    yield from filter(None, node.input)
    for graph in subgraphs_of(node):
        inside = {value.name for value in (*graph.input, *graph.initializer)}
        inside |= {name for inner in graph.node for name in inner.output}
        for inner in graph.node:
            yield from (name for name in reads(inner) if name not in inside)
        yield from (value.name for value in graph.output if value.name not in inside)


def required_nodes(
    graph: onnx.GraphProto, outputs: Sequence[str], given: Sequence[str]
) -> list[onnx.NodeProto]:
    """Return the nodes that compute some tensors from others, in order.

    Args:
        graph: The graph.
        outputs: Tensors to compute.
        given: Tensors that are not computed.
    """
    wanted, chosen = set(outputs) - set(given), list[onnx.NodeProto]()
    for node in reversed(graph.node):
        if not wanted.isdisjoint(node.output):
            chosen.append(node)
            wanted.update(name for name in reads(node) if name not in given)
    return chosen[::-1]


def required_weights(
    graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], outputs: Sequence[str]
) -> list[TensorProto]:
    """Return the weights that nodes read, or that are outputs themselves."""
    names = {name for node in nodes for name in reads(node)} | set(outputs)
    return [weight for weight in graph.initializer if weight.name in names]
