"""An encoder and a denoising network of two files as one graph."""

import onnx
from onnx import helper

from dbp_ros.errors import BundleError
from dbp_ros.policy_import.graph_builder import PREFIX
from dbp_ros.policy_import.graph_names import add_prefix


def merge(encoder: onnx.ModelProto, network: onnx.ModelProto) -> onnx.ModelProto:
    """Return one graph: outputs of the encoder are the inputs of the network with their names.

    An input that both have is one input. Outputs of the encoder that the network does not take
    remain outputs.

    Args:
        encoder: Graph that runs once for each chunk.
        network: Graph of the network; the names of its tensors change.

    Raises:
        BundleError: If no output of the encoder is an input of the network, or the opsets differ.
    """
    offered = {value.name for value in encoder.graph.output}
    taken = {value.name for value in network.graph.input}
    if not offered & taken:
        raise BundleError(
            f"the denoiser takes {', '.join(sorted(taken))}, and the policy returns "
            f"{', '.join(sorted(offered))}: give an output of the policy and the input of the "
            "denoiser that it feeds the same name"
        )
    opsets = [{item.domain: item.version for item in m.opset_import} for m in (encoder, network)]
    if opsets[0].get("") != opsets[1].get(""):
        raise BundleError(
            f"the policy has opset {opsets[0].get('')} and the denoiser {opsets[1].get('')}: "
            "export both with the same opset_version"
        )
    add_prefix(network, f"{PREFIX}network/", ends=False)
    shared = {value.name for value in encoder.graph.input}
    added = [value for value in network.graph.input if value.name not in offered | shared]
    remaining = [value for value in encoder.graph.output if value.name not in taken]
    graph = helper.make_graph(
        [*encoder.graph.node, *network.graph.node],
        encoder.graph.name or "policy",
        [*encoder.graph.input, *added],
        [*network.graph.output, *remaining],
        [*encoder.graph.initializer, *network.graph.initializer],
    )
    imports = [helper.make_opsetid(*item) for item in {**opsets[0], **opsets[1]}.items()]
    version = max(encoder.ir_version, network.ir_version)
    functions = [*encoder.functions, *network.functions]
    return helper.make_model(graph, opset_imports=imports, ir_version=version, functions=functions)
