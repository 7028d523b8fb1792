"""Prefixes of the names in a graph."""

import onnx
import onnx.compose


def add_prefix(model: onnx.ModelProto, prefix: str, ends: bool = True) -> None:
    """Add a prefix to the names of a graph, in place.

    Args:
        model: The graph.
        prefix: The prefix.
        ends: Whether also to the names of inputs and outputs.
    """
    # Known before the subgraphs are renamed, which read them from outside.
    weights = {weight.name: f"{prefix}{weight.name}" for weight in model.graph.initializer}
    onnx.compose.add_prefix_graph(
        model.graph,
        prefix,
        rename_inputs=ends,
        rename_outputs=ends,
        inplace=True,
        name_map=weights,
    )
