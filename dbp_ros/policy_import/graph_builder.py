"""Construction of ONNX nodes, one operator at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

PREFIX = "dbp/"
OPSET = 18
PRODUCER = "dbp_ros"


class GraphBuilder:
    """Nodes and constants of a graph; the names of its tensors start with `PREFIX`."""

    def __init__(self) -> None:
        """Start without nodes."""
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self._count = 0

    def floats(self, value: ArrayLike) -> str:
        """Add a constant of float32 and return its name."""
        return self._constant(np.asarray(value, np.float32))

    def integers(self, value: ArrayLike) -> str:
        """Add a constant of int64 and return its name."""
        return self._constant(np.asarray(value, np.int64))

    def apply(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return the name of the output."""
        output = self._name(operator)
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def rename(self, tensor: str, name: str) -> None:
        """Give a tensor a second name."""
        self.nodes.append(helper.make_node("Identity", [tensor], [name]))

    def reshape(self, tensor: str, shape: Sequence[int]) -> str:
        """Return a tensor with another shape."""
        return self.apply("Reshape", tensor, self.integers(shape))

    def cast(self, tensor: str, dtype: np.dtype[Any]) -> str:
        """Return a tensor with another type."""
        return self.apply("Cast", tensor, to=helper.np_dtype_to_tensor_dtype(dtype))

    def pixels(self, tensor: str, dtype: np.dtype[Any]) -> str:
        """Return an image with another type; whole numbers are rounded, as by image libraries."""
        return self.cast(self.apply("Round", tensor) if dtype.kind in "iu" else tensor, dtype)

    def take(self, tensor: str, start: int, end: int, axis: int) -> str:
        """Return a range of an axis."""
        limits = (self.integers([number]) for number in (start, end, axis))
        return self.apply("Slice", tensor, *limits)

    def affine(self, tensor: str, factor: ArrayLike, offset: ArrayLike) -> str:
        """Return `factor * tensor + offset`, without the terms that change nothing."""
        if not np.all(np.asarray(factor) == 1):
            tensor = self.apply("Mul", tensor, self.floats(factor))
        if np.any(np.asarray(offset)):
            tensor = self.apply("Add", tensor, self.floats(offset))
        return tensor

    def permute(self, tensor: str, axes: str, layout: str, shape: Sequence[int]) -> str:
        """Return a tensor whose axes have another order; absent axes have the size 1.

        Args:
            tensor: The tensor.
            axes: Letters of its axes.
            layout: Letters of the result, among `axes`.
            shape: Shape of the result.
        """
        order = [axes.index(letter) for letter in absent_first(axes, layout)]
        if order != list(range(len(axes))):
            tensor = self.apply("Transpose", tensor, perm=order)
        return self.reshape(tensor, shape)

    def _constant(self, value: Any) -> str:
        name = self._name("constant")
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{PREFIX}{kind}_{self._count}"


def absent_first(axes: str, layout: str) -> str:
    """Return the letters of `axes`: first those that are not in `layout`, then `layout`."""
    return "".join(letter for letter in axes if letter not in layout) + layout


def float_tensor(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    """Return the declaration of an input or output of float32."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
