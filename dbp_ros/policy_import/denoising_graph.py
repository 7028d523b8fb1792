"""A denoising network and its sampler as one graph: a loop around the network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from dbp_ros.errors import ConfigError
from dbp_ros.policy_import.foreign_graph import ForeignGraph, Tensors, TensorSpec
from dbp_ros.policy_import.graph_builder import PREFIX, GraphBuilder
from dbp_ros.policy_import.graph_split import dependencies
from dbp_ros.policy_import.reference_sampler import sample
from dbp_ros.policy_import.sampler_table import sampler_table
from dbp_ros.settings.denoiser import Denoiser
from dbp_ros.settings.parameter_yaml import suggestion

# Tensors inside the loop whose outer counterparts have the names of the graph.
_SAMPLE, _TIME, _PREDICTION = f"{PREFIX}sample", f"{PREFIX}timestep", f"{PREFIX}prediction"
_FLOAT = np.dtype(np.float32)
# Rounding errors of times, below which timesteps are whole numbers.
INTEGER_TOLERANCE = 1e-6


class DenoisingGraph(ForeignGraph):
    """Policy that samples a chunk with a denoising network.

    Its inputs are those of the network without the timestep; the sample is the noise.
    """

    def __init__(self, network: ForeignGraph, denoiser: Denoiser) -> None:
        """Join a network with a sampler.

        Raises:
            ConfigError: If the network has not the inputs and the output of the sampler.
        """
        _require_fit(network, denoiser)
        self.path, self.files = network.path, network.files
        self._network, self._denoiser = network, denoiser
        self.model = denoising_model(network.model, denoiser)
        self.inputs = {n: s for n, s in network.inputs.items() if n != denoiser.timestep}
        self.outputs = dict(network.outputs)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Tensors:
        """Return all outputs by name, with the network called by NumPy code."""
        time = self._network.inputs[self._denoiser.timestep]
        shape = [1 if isinstance(size, str) else size for size in time.shape]
        outputs: Tensors = {}

        def predict(value: NDArray[Any], timestep: float) -> NDArray[Any]:
            given = {
                self._denoiser.sample: value.astype(feeds[self._denoiser.sample].dtype),
                self._denoiser.timestep: _timestep(timestep, shape, time.dtype),
            }
            outputs.update(self._network.run({**feeds, **given}))
            return outputs[self._denoiser.output].astype(np.float64)

        chunk = sample(predict, feeds[self._denoiser.sample].astype(np.float64), self._denoiser)
        return {**outputs, self._denoiser.output: chunk.astype(np.float32)}


def denoising_model(model: onnx.ModelProto, denoiser: Denoiser) -> onnx.ModelProto:
    """Return a graph whose output is the sampled chunk.

    What depends on neither the sample nor the timestep runs once, before the loop.

    Args:
        model: Graph with the network.
        denoiser: Its sampler.

    Raises:
        ConfigError: If another output depends on the sample.
    """
    graph = model.graph
    sources = dependencies(graph)
    changing = {
        name for name, inputs in sources.items() if inputs & {denoiser.sample, denoiser.timestep}
    }
    if other := sorted({value.name for value in graph.output} & changing - {denoiser.output}):
        raise ConfigError(
            f"the output {', '.join(other)} depends on the noisy chunk: export the network without "
            "it"
        )
    inside = [node for node in graph.node if not changing.isdisjoint(node.output)]
    names = {id(node) for node in inside}
    outside = [node for node in graph.node if id(node) not in names]
    given = {value.name: value for value in graph.input}
    builder = GraphBuilder()
    body = _body(builder, inside, given, denoiser)
    builder.nodes = outside
    start = builder.cast(denoiser.sample, _FLOAT)
    trips = numpy_helper.from_array(
        np.array(denoiser.num_inference_steps, np.int64), f"{PREFIX}steps"
    )
    builder.nodes.append(
        helper.make_node("Loop", [trips.name, "", start], [denoiser.output], body=body)
    )
    joined = onnx.ModelProto()
    joined.CopyFrom(model)
    joined.graph.CopyFrom(
        helper.make_graph(
            builder.nodes,
            graph.name or "policy",
            [value for value in graph.input if value.name != denoiser.timestep],
            [_retyped(v) if v.name == denoiser.output else v for v in graph.output],
            [*graph.initializer, *builder.constants, trips],
        )
    )
    return joined


def _body(
    builder: GraphBuilder,
    network: list[onnx.NodeProto],
    given: Mapping[str, onnx.ValueInfoProto],
    denoiser: Denoiser,
) -> onnx.GraphProto:
    """Return one step of the sampler: iteration, condition and sample to the last two."""
    table = sampler_table(denoiser)
    iteration, condition, state = (f"{PREFIX}{n}" for n in ("iteration", "condition", "state"))
    chunk, time = (given[name].type.tensor_type for name in (denoiser.sample, denoiser.timestep))
    network_type = helper.tensor_dtype_to_np_dtype(chunk.elem_type)
    builder.rename(builder.cast(state, network_type), _SAMPLE)
    times = _times(builder, table.times, time)
    builder.rename(builder.apply("Gather", times, iteration, axis=0), _TIME)
    renamed = {denoiser.sample: _SAMPLE, denoiser.timestep: _TIME, denoiser.output: _PREDICTION}
    builder.nodes += [_with_names(node, renamed) for node in network]
    prediction = builder.cast(_PREDICTION, _FLOAT)
    row = builder.apply("Gather", builder.floats(table.coefficients.T), iteration, axis=1)
    p, q, r, s, u, w = (builder.take(row, k, k + 1, 0) for k in range(6))

    def weighted(first: str, x: str, second: str, y: str) -> str:
        return builder.apply("Add", builder.apply("Mul", first, x), builder.apply("Mul", second, y))

    clean = weighted(p, state, q, prediction)
    if np.isfinite(table.limit):
        limits = builder.floats(-table.limit), builder.floats(table.limit)
        clean = builder.apply("Clip", clean, *limits)
    noise = weighted(r, state, s, prediction)
    following, proceed = f"{PREFIX}next_state", f"{PREFIX}proceed"
    builder.rename(weighted(u, clean, w, noise), following)
    builder.rename(condition, proceed)
    shape = [dim.dim_value or dim.dim_param for dim in chunk.shape.dim]
    info = helper.make_tensor_value_info
    return helper.make_graph(
        builder.nodes,
        "step",
        [
            info(iteration, TensorProto.INT64, []),
            info(condition, TensorProto.BOOL, []),
            info(state, TensorProto.FLOAT, shape),
        ],
        [info(proceed, TensorProto.BOOL, []), info(following, TensorProto.FLOAT, shape)],
    )


def _times(builder: GraphBuilder, times: NDArray[Any], given: onnx.TypeProto.Tensor) -> str:
    """Add the timestep of each step, in type and shape of the input; return the name."""
    shape = [dim.dim_value or 1 for dim in given.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(given.elem_type)
    values = np.stack([_timestep(time, shape, dtype) for time in times])
    table = numpy_helper.from_array(values, f"{PREFIX}timesteps")
    builder.constants.append(table)
    return str(table.name)


def _timestep(time: float, shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a timestep as an input of the network; a whole number without rounding errors."""
    return np.full(shape, round(time) if dtype.kind in "iu" else time, dtype)


def _with_names(node: onnx.NodeProto, names: Mapping[str, str]) -> onnx.NodeProto:
    """Return a node with other names of some tensors, also in its subgraphs."""
    renamed = onnx.NodeProto()
    renamed.CopyFrom(node)
    del renamed.input[:], renamed.output[:]
    renamed.input.extend(names.get(name, name) for name in node.input)
    renamed.output.extend(names.get(name, name) for name in node.output)
    for attribute in renamed.attribute:
        graphs = [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs
        for graph in graphs:
            inner = [_with_names(item, names) for item in graph.node]
            del graph.node[:]
            graph.node.extend(inner)
            for value in graph.output:
                value.name = names.get(value.name, value.name)
    return renamed


def _retyped(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """Return the declaration of an output as float32."""
    changed = onnx.ValueInfoProto()
    changed.CopyFrom(value)
    changed.type.tensor_type.elem_type = TensorProto.FLOAT
    return changed


def _require_fit(network: ForeignGraph, denoiser: Denoiser) -> None:
    for key, known in (
        ("sample", network.inputs),
        ("timestep", network.inputs),
        ("output", network.outputs),
    ):
        name: str = getattr(denoiser, key)
        if name not in known:
            kind = "output" if key == "output" else "input"
            raise ConfigError(
                f"denoiser.{key}: the graph has no {kind} {name}, it has {', '.join(known)}"
                f"{suggestion(name, known)}"
            )
    time: TensorSpec = network.inputs[denoiser.timestep]
    if any(isinstance(size, int) and size != 1 for size in time.shape):
        raise ConfigError(
            f"denoiser.timestep: {denoiser.timestep} is {time}, expected one value for a chunk"
        )
    times = sampler_table(denoiser).times
    if time.dtype.kind in "iu" and np.abs(times - np.round(times)).max() > INTEGER_TOLERANCE:
        raise ConfigError(
            f"denoiser.timestep_scale: {denoiser.timestep} is {time}, and the steps are at "
            f"{', '.join(f'{t:g}' for t in times[:3])}, ...: set the timesteps of the training, "
            "such as 1000"
        )
