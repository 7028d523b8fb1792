"""Head graph: positions, features and latent to absolute joint positions."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper

from dbp_ros.bundle.manifest import NEXT_STATE, STATE
from dbp_ros.policy_import.conversions import (
    absolute_columns,
    action_conversion,
    position_conversion,
)
from dbp_ros.policy_import.encoder_graph import FRAME, with_graph
from dbp_ros.policy_import.graph_builder import GraphBuilder, float_tensor
from dbp_ros.policy_import.graph_split import ImageBranch, required_nodes, required_weights
from dbp_ros.policy_import.plan import ImportPlan
from dbp_ros.policy_import.recurrent_state import feed_states, next_state
from dbp_ros.policy_import.static_graph import POLICY

VECTOR = "NTD"
_FLOAT = np.dtype(np.float32)


def head_model(
    model: onnx.ModelProto, plan: ImportPlan, branches: Mapping[str, ImageBranch | None]
) -> onnx.ModelProto:
    """Return the graph from `positions`, `features.<camera>` and `latent` to `action`.

    Args:
        model: The policy, with fixed input shapes.
        plan: Sizes of its inputs.
        branches: Tensors of each image that its encoder computes; None for the whole image.
    """
    builder, mapping = GraphBuilder(), plan.mapping
    nu, given = len(mapping.joints), list[str]()
    values = [float_tensor("positions", (1, plan.history, nu))]
    _feed_positions(builder, plan)
    for name, branch in branches.items():
        size = feature_size(plan, name, branch)
        camera = mapping.images[name].camera
        values.append(float_tensor(f"features.{camera}", (1, plan.history, size)))
        given += _feed_features(builder, plan, name, branch)
    values.append(float_tensor("latent", (1, plan.horizon, plan.latent_size)))
    _feed_noise(builder, plan)
    constants = [_constant(plan, name) for name in mapping.constants]
    states = [f"{POLICY}{state.output}" for state in mapping.recurrent.values()]
    results = [float_tensor("action", (1, plan.horizon, nu))]
    if states:
        values.append(float_tensor(STATE, (1, plan.state_size)))
        results.append(float_tensor(NEXT_STATE, (1, plan.state_size)))
        feed_states(builder, plan)
    outputs = [*(f"{POLICY}{name}" for name in mapping.actions), *states]
    nodes = required_nodes(model.graph, outputs, [*given, *(f"{POLICY}{n}" for n in plan.inputs)])
    builder.nodes += nodes
    builder.rename(_action(builder, plan), "action")
    if states:
        builder.rename(next_state(builder, states), NEXT_STATE)
    weights = required_weights(model.graph, nodes, outputs)
    graph = helper.make_graph(
        builder.nodes,
        "head",
        values,
        results,
        [*builder.constants, *constants, *weights],
    )
    return with_graph(model, graph)


def feature_size(plan: ImportPlan, name: str, branch: ImageBranch | None) -> int:
    """Return the number of features of an image."""
    height, width = plan.sizes[name]
    return 3 * height * width if branch is None else branch.feature_size


def _feed_positions(builder: GraphBuilder, plan: ImportPlan) -> None:
    for name, item in plan.mapping.positions.items():
        columns = [plan.mapping.joints.index(joint) for joint in plan.mapping.columns(item)]
        newest = builder.take("positions", plan.history - plan.windows[name], plan.history, 1)
        values = builder.apply("Gather", newest, builder.integers(columns), axis=2)
        values = builder.affine(values, *position_conversion(plan.mapping, item))
        values = builder.permute(values, VECTOR, item.layout, plan.shape_of(name))
        builder.rename(builder.cast(values, plan.inputs[name].dtype), f"{POLICY}{name}")


def _feed_features(
    builder: GraphBuilder, plan: ImportPlan, name: str, branch: ImageBranch | None
) -> list[str]:
    """Define the tensors of the policy that an encoder computes; return their names."""
    image, window = plan.mapping.images[name], plan.windows[name]
    newest = builder.take(f"features.{image.camera}", plan.history - window, plan.history, 1)
    if branch is None:
        frames = builder.reshape(newest, (1, window, 3, *plan.sizes[name]))
        frames = builder.permute(frames, FRAME, image.layout, plan.shape_of(name))
        builder.rename(builder.pixels(frames, plan.inputs[name].dtype), f"{POLICY}{name}")
        return [f"{POLICY}{name}"]
    start = 0
    for tensor, shape in branch.tensors.items():
        end = start + int(np.prod(shape))
        builder.rename(builder.reshape(builder.take(newest, start, end, 2), shape), tensor)
        start = end
    return list(branch.tensors)


def _feed_noise(builder: GraphBuilder, plan: ImportPlan) -> None:
    flat, start = "", 0
    for name in plan.mapping.noise_inputs:
        flat = flat or builder.reshape("latent", (-1,))
        end = start + int(np.prod(plan.shape_of(name)))
        noise = builder.reshape(builder.take(flat, start, end, 0), plan.shape_of(name))
        builder.rename(builder.cast(noise, plan.inputs[name].dtype), f"{POLICY}{name}")
        start = end


def _constant(plan: ImportPlan, name: str) -> TensorProto:
    return onnx.numpy_helper.from_array(plan.initial_value(name), f"{POLICY}{name}")


def _action(builder: GraphBuilder, plan: ImportPlan) -> str:
    """Return the chunk in [rad] and [m], in the order of the mapping's joints."""
    mapping, chunks, joints = plan.mapping, list[str](), list[str]()
    for name, item in mapping.actions.items():
        columns, points = mapping.columns(item), plan.num_points[name]
        total = points + item.skip_points
        absent = [letter for letter in VECTOR if letter not in item.layout]
        order = "".join(absent) + item.layout
        sizes = {"N": 1, "T": total, "D": len(columns)}
        values = builder.cast(f"{POLICY}{name}", _FLOAT)
        values = builder.reshape(values, [sizes[letter] for letter in order])
        values = builder.permute(values, order, VECTOR, (1, total, len(columns)))
        if item.skip_points:
            values = builder.take(values, item.skip_points, total, 1)
        values = builder.affine(values, *action_conversion(mapping, item))
        chunks.append(_absolute(builder, plan, name, values))
        joints += columns
    chunk = builder.apply("Concat", *chunks, axis=2)
    order_of_joints = [joints.index(joint) for joint in mapping.joints]
    return builder.apply("Gather", chunk, builder.integers(order_of_joints), axis=2)


def _absolute(builder: GraphBuilder, plan: ImportPlan, name: str, values: str) -> str:
    """Return absolute positions from those of an output, which may be differences."""
    mapping, item = plan.mapping, plan.mapping.actions[name]
    absolute = absolute_columns(mapping, item)
    if absolute.all():
        return values
    columns = [mapping.joints.index(joint) for joint in mapping.columns(item)]
    newest = builder.take("positions", plan.history - 1, plan.history, 1)
    measured = builder.apply("Gather", newest, builder.integers(columns), axis=2)
    differences = values
    if item.meaning == "increments":
        differences = builder.apply("CumSum", values, builder.integers(1))
    moved = builder.apply("Add", differences, measured)
    if not absolute.any():
        return moved
    mask = onnx.numpy_helper.from_array(absolute, f"{builder.floats(0.0)}.mask")
    builder.constants.append(mask)
    return builder.apply("Where", mask.name, values, moved)
