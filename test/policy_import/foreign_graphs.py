"""Small ONNX policies as other projects export them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, BYTE = TensorProto.FLOAT, TensorProto.UINT8
JOINTS = ("shoulder", "elbow", "gripper")
HORIZON = 4


def waves(*shape: int, phase: float = 0.0) -> np.ndarray:
    """Return reproducible weights between -0.5 and 0.5."""
    count = int(np.prod(shape))
    return (0.5 * np.sin(1.7 * np.arange(count) + phase)).reshape(shape).astype(np.float32)


def save(path: Path, nodes, inputs, outputs, opset: int = 20, **weights) -> Path:
    graph = helper.make_graph(
        [helper.make_node(*args, **keywords) for args, keywords in nodes],
        path.stem,
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(np.array(value), name) for name, value in weights.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=10), path)
    return path


def op(*args, **keywords):
    return args, keywords


def write_image_policy(path: Path, opset: int = 20, batch: int | str = "batch") -> Path:
    """Write a policy of a float image and joints: a convolution, a pool and a linear layer.

    As in exports with a free batch size, the joints are reshaped by the shape of the image.
    """
    nodes = [
        op("Conv", ["observation.image", "kernel"], ["map"], strides=[2, 2]),
        op("Relu", ["map"], ["positive"]),
        op("GlobalAveragePool", ["positive"], ["pooled"]),
        op("Shape", ["observation.image"], ["sizes"]),
        op("Slice", ["sizes", "zero", "one"], ["batch_size"]),
        op("Concat", ["batch_size", "rest"], ["flat_shape"], axis=0),
        op("Reshape", ["pooled", "flat_shape"], ["features"]),
        op("Concat", ["features", "observation.state"], ["joined"], axis=1),
        op("MatMul", ["joined", "weights"], ["flat"]),
        op("Reshape", ["flat", "chunk_shape"], ["action"]),
    ]
    return save(
        path,
        nodes,
        [
            ("observation.state", FLOAT, (batch, 3)),
            ("observation.image", FLOAT, (batch, 3, 12, 16)),
        ],
        [("action", FLOAT, (batch, HORIZON, 3))],
        opset,
        kernel=waves(5, 3, 3, 3),
        weights=waves(8, 3 * HORIZON, phase=1),
        zero=[0],
        one=[1],
        rest=[-1],
        chunk_shape=[-1, HORIZON, 3],
    )


def image_action(image: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Return the action of `write_image_policy` for normalised inputs: (3, 12, 16) and (3,)."""
    kernel = waves(5, 3, 3, 3)
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(1, 2))[:, ::2, ::2]
    features = np.maximum(np.einsum("chwij,ocij->ohw", windows, kernel), 0).mean(axis=(1, 2))
    flat = np.concatenate([features, state]) @ waves(8, 3 * HORIZON, phase=1)
    return flat.reshape(HORIZON, 3)


def write_byte_policy(path: Path) -> Path:
    """Write a policy of an NHWC image of bytes that returns one action."""
    nodes = [
        op("Cast", ["pixels"], ["floats"], to=FLOAT),
        op("ReduceMean", ["floats", "rows_and_columns"], ["mean"], keepdims=0),
        op("MatMul", ["mean", "weights"], ["target"]),
    ]
    return save(
        path,
        nodes,
        [("pixels", BYTE, (1, 8, 10, 3))],
        [("target", FLOAT, (1, 3))],
        rows_and_columns=[1, 2],
        weights=waves(3, 3) / 100,
    )


def write_state_policy(path: Path, columns: int, history: int = 1) -> Path:
    """Write a layer on a history of joints of shape (history, columns) that returns a chunk."""
    nodes = [
        op("Reshape", ["joints", "flat"], ["vector"]),
        op("MatMul", ["vector", "weights"], ["hidden"]),
        op("Tanh", ["hidden"], ["bounded"]),
        op("Reshape", ["bounded", "chunk"], ["deltas"]),
    ]
    return save(
        path,
        nodes,
        [("joints", FLOAT, (history, columns))],
        [("deltas", FLOAT, (HORIZON, columns))],
        flat=[1, -1],
        chunk=[HORIZON, columns],
        weights=waves(history * columns, HORIZON * columns),
    )


def write_video_policy(path: Path) -> Path:
    """Write a policy of two images, two joint vectors, noise and a constant: their weighted sum."""
    nodes = [
        op("ReduceMean", ["video", "space"], ["bright"], keepdims=0),
        op("MatMul", ["bright", "mix"], ["offset"]),
        op("ReduceSum", ["joints", "time"], ["total"], keepdims=1),
        op("Mul", ["noise", "small"], ["scatter"]),
        op("Sum", ["scatter", "total", "offset", "task"], ["action"]),
        op("Identity", ["offset"], ["embedding"]),
    ]
    return save(
        path,
        nodes,
        [
            ("video", FLOAT, (1, "time", 3, "height", "width")),
            ("joints", FLOAT, (1, 2, 3)),
            ("noise", FLOAT, (1, HORIZON, 3)),
            ("task", FLOAT, (1,)),
        ],
        [("action", FLOAT, (1, HORIZON, 3)), ("embedding", FLOAT, (1, 1, 3))],
        space=[1, 3, 4],
        mix=waves(3, 3)[None],
        time=[1],
        small=np.float32(0.25),
    )


def write_recurrent_policy(path: Path, precision: int = FLOAT) -> Path:
    """Write a policy that adds its joints to two states: a sum, and a number of calls."""
    nodes = [
        op("Cast", ["sum_in"], ["old_sum"], to=FLOAT),
        op("Mul", ["old_sum", "half"], ["fading"]),
        op("Add", ["fading", "joints"], ["sum"]),
        op("Cast", ["sum"], ["sum_out"], to=precision),
        op("Add", ["calls_in", "one"], ["calls_out"]),
        op("Mul", ["sum", "calls_out"], ["action"]),
    ]
    return save(
        path,
        nodes,
        [
            ("joints", FLOAT, (1, 3)),
            ("sum_in", precision, (1, 3)),
            ("calls_in", FLOAT, (1, 1)),
        ],
        [
            ("action", FLOAT, (1, 3)),
            ("sum_out", precision, (1, 3)),
            ("calls_out", FLOAT, (1, 1)),
        ],
        half=np.float32(0.5),
        one=np.float32(1.0),
    )


def write_wide_recurrent_policy(path: Path, gain: float = 0.2) -> Path:
    """Write a policy whose state passes a layer of 64x64 in each call; its nodes have no names.

    Errors of the state grow with the gain of the layer.
    """
    nodes = [
        op("MatMul", ["joints", "enter"], ["entered"]),
        op("MatMul", ["hidden_in", "weights"], ["carried"]),
        op("Add", ["entered", "carried"], ["sum"]),
        op("Tanh", ["sum"], ["hidden_out"]),
        op("MatMul", ["hidden_out", "leave"], ["action"]),
    ]
    return save(
        path,
        nodes,
        [("joints", FLOAT, (1, 3)), ("hidden_in", FLOAT, (1, 64))],
        [("action", FLOAT, (1, 3)), ("hidden_out", FLOAT, (1, 64))],
        enter=waves(3, 64),
        weights=np.float32(gain) * waves(64, 64, phase=0.3),
        leave=waves(64, 3, phase=0.6),
    )
