"""Weights of a policy in its ONNX graphs, also in quantised ones.

The exporter folds a transposition or a reshape into a weight and gives it another name. At export
`name_weights` restores the names, so that `read_weights` finds every parameter in a bundle.
"""

from collections.abc import Mapping
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
# Suffixes of the quantiser: of a weight that it transposed, of the integers and of their scale.
QUANTISED_TRANSPOSED, QUANTISED, SCALE, ZERO = "_Transposed", "_quantized", "_scale", "_zero_point"


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


def read_weights(path: Path, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Return the parameters of a graph.

    Args:
        path: ONNX file that was exported with `name_weights`, perhaps quantised.
        shapes: Shape of each parameter, by its name in the graph.

    Raises:
        TrainingError: If a parameter is missing.
    """
    items = onnx.load(path).graph.initializer
    arrays = {item.name: numpy_helper.to_array(item) for item in items}
    return {name: torch.from_numpy(_read(arrays, name, shape)) for name, shape in shapes.items()}


def _read(arrays: Mapping[str, Floats], parameter: str, shape: torch.Size) -> Floats:
    for name, transposes in (
        (parameter, False),
        (f"{parameter}{TRANSPOSED}", True),
        (f"{parameter}{QUANTISED_TRANSPOSED}", True),
    ):
        value = _dequantised(arrays, name)
        if value is not None:
            value = value.T if transposes else value
            return np.ascontiguousarray(value.reshape(shape))
    raise TrainingError(
        f"the graph has no weight {parameter}: give the checkpoint of the training run instead"
    )


def _dequantised(arrays: Mapping[str, Floats], name: str) -> Floats | None:
    """Return a weight in full precision, None if there is none.

    Quantised weights have a scale per output: the last axis of a matrix product, the first of a
    convolution.
    """
    if name in arrays:
        return arrays[name]
    if f"{name}{QUANTISED}" not in arrays:
        return None
    # The scale of a bias has another name than that of a weight.
    base = name if f"{name}{SCALE}" in arrays else f"{name}{QUANTISED}"
    integers, scale = arrays[f"{name}{QUANTISED}"], arrays[f"{base}{SCALE}"]
    zero = arrays[f"{base}{ZERO}"].astype(np.float32)
    axes = [1] * integers.ndim
    axes[-1 if integers.ndim == 2 else 0] = -1
    if scale.ndim:
        scale, zero = scale.reshape(axes), zero.reshape(axes)
    value: Floats = (integers.astype(np.float32) - zero) * scale
    return value
