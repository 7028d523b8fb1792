"""Encoder graph of one camera: raw pixels to the inputs of the policy's head."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from dbp_ros.policy_import.conversions import pixel_conversion
from dbp_ros.policy_import.graph_builder import PRODUCER, GraphBuilder, float_tensor
from dbp_ros.policy_import.graph_split import (
    ImageBranch,
    required_nodes,
    required_weights,
)
from dbp_ros.policy_import.plan import ImportPlan
from dbp_ros.policy_import.static_graph import POLICY
from dbp_ros.settings.policy_mapping import ImageInput

FRAME = "NTCHW"
_FLOAT = np.dtype(np.float32)
_POLICIES = {"stretch": "stretch", "pad": "not_larger", "crop": "not_smaller"}


def encoder_model(
    model: onnx.ModelProto, plan: ImportPlan, name: str, branch: ImageBranch | None
) -> onnx.ModelProto:
    """Return the graph from `image`, rgb8 of any size, to `features`.

    Args:
        model: The policy, with fixed input shapes.
        plan: Sizes of its inputs.
        name: Input of the image.
        branch: Tensors that are the features; None if the features are the whole image.
    """
    builder = GraphBuilder()
    image, (height, width) = plan.mapping.images[name], plan.sizes[name]
    frame = _normalised(builder, image, (height, width))
    if branch is None:
        size = 3 * height * width
        features, nodes, weights = builder.reshape(frame, (1, size)), [], []
    else:
        size = branch.feature_size
        spec = plan.inputs[name]
        frame = builder.reshape(frame, (1, 1, 3, height, width))
        frame = builder.permute(frame, FRAME, image.layout, plan.shape_of(name))
        builder.rename(builder.pixels(frame, spec.dtype), f"{POLICY}{name}")
        first = len(builder.nodes)
        flat = [builder.reshape(tensor, (1, -1)) for tensor in branch.tensors]
        features = builder.apply("Concat", *flat, axis=1)
        nodes = required_nodes(model.graph, list(branch.tensors), [f"{POLICY}{name}"])
        weights = required_weights(model.graph, nodes, list(branch.tensors))
        builder.nodes[first:first] = nodes
    builder.rename(features, "features")
    return with_graph(
        model,
        helper.make_graph(
            builder.nodes,
            f"encoder of {image.camera}",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ("height", "width", 3))],
            [float_tensor("features", (1, size))],
            [*builder.constants, *weights],
        ),
    )


def with_graph(model: onnx.ModelProto, graph: onnx.GraphProto) -> onnx.ModelProto:
    """Return a graph as a model with the operators and functions of another one."""
    return helper.make_model(
        graph,
        producer_name=PRODUCER,
        opset_imports=list(model.opset_import),
        functions=list(model.functions),
        ir_version=model.ir_version,
    )


def _normalised(builder: GraphBuilder, image: ImageInput, size: tuple[int, int]) -> str:
    """Return the image as the policy takes it. Shape (1, 3, height, width)."""
    pixels = builder.cast(builder.apply("Transpose", "image", perm=[2, 0, 1]), _FLOAT)
    pixels = builder.apply("Unsqueeze", pixels, builder.integers([0]))
    pixels = _fitted(builder, pixels, image, size)
    if image.channels == "bgr":
        pixels = builder.apply("Gather", pixels, builder.integers([2, 1, 0]), axis=1)
    factor, offset = pixel_conversion(image)
    shape = (1, 3, 1, 1)
    return builder.affine(pixels, factor.reshape(shape), offset.reshape(shape))


def _fitted(builder: GraphBuilder, pixels: str, image: ImageInput, size: tuple[int, int]) -> str:
    """Return the image resized to `size`."""
    antialias = int(image.interpolation == "linear_antialias")
    attributes = {
        "mode": "linear",
        "antialias": antialias,
        # As in Pillow and PyTorch the filter ends at the edge of the image.
        "exclude_outside": antialias,
        "coordinate_transformation_mode": "half_pixel",
        "axes": [2, 3],
        "keep_aspect_ratio_policy": _POLICIES[image.fit],
    }
    resized = builder.apply("Resize", pixels, "", "", builder.integers(size), **attributes)
    if image.fit == "stretch":
        return resized
    found = builder.apply("Shape", resized, start=2)
    two, wanted = builder.integers([2, 2]), builder.integers(size)
    if image.fit == "crop":
        surplus = builder.apply("Sub", found, wanted)
        start = builder.apply("Div", surplus, two)
        end = builder.apply("Add", start, wanted)
        return builder.apply("Slice", resized, start, end, builder.integers([2, 3]))
    missing = builder.apply("Sub", wanted, found)
    before = builder.apply("Div", missing, two)
    after = builder.apply("Sub", missing, before)
    pads = builder.apply("Concat", before, after, axis=0)
    return builder.apply("Pad", resized, pads, builder.floats(0.0), builder.integers([2, 3]))
