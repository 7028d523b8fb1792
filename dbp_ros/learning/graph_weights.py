"""Weights of a policy in its ONNX graphs, also in quantized ones.

The exporter folds a transposition or a reshape into a weight and gives it another name. At export
`name_weights` restores the names, so that `read_weights` finds every parameter in a bundle.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from dbp_ros.errors import TrainingError
from dbp_ros.types import Floats

# Names of the parameters of an encoder and of a policy in their graphs.
ENCODER_PREFIX, HEAD_PREFIX = "encoder.", "policy."
TRANSPOSED = ".T"
# Suffix of a weight in 16 bits.
SHORT = ".short"
# Suffixes of the quantizer: of a weight that it transposed, of the integers and of their scale.
QUANTIZED_TRANSPOSED, QUANTIZED, SCALE, ZERO = "_Transposed", "_quantized", "_scale", "_zero_point"


def name_weights(path: Path, parameters: Mapping[str, Tensor]) -> None:
    """Name the folded weights of a graph after their parameters.

    The exporter may compute the output of a layer with constant input, such as the time of a
    multi-step method, and merges equal constants. Such parameters stay without a name.

    Args:
        path: ONNX file, written again.
        parameters: Parameters by their names in the graph.
    """
    model = onnx.load(path)
    arrays = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    folded = {name: array for name, array in arrays.items() if name not in parameters}
    names: dict[str, str] = {}
    for parameter in (name for name in parameters if name not in arrays):
        value = parameters[parameter].detach().numpy()
        name, suffix = _find(value, {n: a for n, a in folded.items() if n not in names})
        if name:
            names[name] = f"{parameter}{suffix}"
    for item in model.graph.initializer:
        item.name = names.get(item.name, item.name)
    for node in model.graph.node:
        for k, name in enumerate(node.input):
            node.input[k] = names.get(name, name)
    onnx.save(model, path)


def _find(value: Floats, arrays: Mapping[str, Floats]) -> tuple[str, str]:
    """Return the name of an array that holds a weight, and the suffix of its form; or nothing."""
    forms = {"": value, **({TRANSPOSED: value.T} if value.ndim == 2 else {})}
    for name, array in arrays.items():
        for suffix, form in forms.items():
            if _equal(array, form):
                return name, suffix
    return "", ""


def _equal(array: Floats, value: Floats) -> bool:
    """Return whether two arrays are equal, except for axes of length one."""
    squeezed = array.squeeze()
    return squeezed.shape == value.squeeze().shape and np.array_equal(squeezed, value.squeeze())


def read_weights(
    path: Path, shapes: Mapping[str, torch.Size], optional: Collection[str] = ()
) -> dict[str, Tensor]:
    """Return parameters and buffers of a graph.

    Args:
        path: ONNX file that was exported with `name_weights`, perhaps quantized.
        shapes: Shape of each parameter, by its name in the graph.
        optional: Names of those that may be missing.

    Raises:
        TrainingError: If a parameter is missing that is not optional.
    """
    items = onnx.load(path).graph.initializer
    arrays = {item.name: numpy_helper.to_array(item) for item in items}
    weights = {}
    for name, shape in shapes.items():
        value = _read(arrays, name)
        if value is not None:
            weights[name] = torch.from_numpy(np.array(value).reshape(shape))
        elif name not in optional:
            raise TrainingError(
                f"{path} has no weight {name}: give the checkpoint of the training run instead"
            )
    return weights


def _read(arrays: Mapping[str, Floats], parameter: str) -> Floats | None:
    """Return a parameter, None if there is none."""
    value = _dequantized(arrays, parameter, 0)
    if value is not None:
        return value
    for suffix in (TRANSPOSED, QUANTIZED_TRANSPOSED):
        value = _dequantized(arrays, f"{parameter}{suffix}", -1)
        if value is not None:
            return value.T
    return None


def _dequantized(arrays: Mapping[str, Floats], name: str, axis: int) -> Floats | None:
    """Return a weight in full precision, None if there is none.

    Args:
        arrays: All weights of a graph.
        name: Name of the weight.
        axis: Axis of the outputs, each of which has its own scale.
    """
    if name in arrays:
        return arrays[name]
    if f"{name}{SHORT}" in arrays:
        return arrays[f"{name}{SHORT}"].astype(np.float32)
    if f"{name}{QUANTIZED}" not in arrays:
        return None
    # The scale of a bias has another name than that of a weight.
    base = name if f"{name}{SCALE}" in arrays else f"{name}{QUANTIZED}"
    integers, scale = arrays[f"{name}{QUANTIZED}"], arrays[f"{base}{SCALE}"]
    zero = arrays[f"{base}{ZERO}"].astype(np.float32)
    axes = [1] * integers.ndim
    axes[axis] = -1
    if scale.ndim:
        scale, zero = scale.reshape(axes), zero.reshape(axes)
    value: Floats = (integers.astype(np.float32) - zero) * scale
    return value
