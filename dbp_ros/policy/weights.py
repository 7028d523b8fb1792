"""How many weights a graph holds, read from its file without the library that wrote it.

An ONNX file is a protocol buffer: fields, each with a number and one of four kinds. Only those on
the way to the weights are looked at.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path

from dbp_ros.errors import BundleError

# Numbers of the fields, in the words of onnx.proto.
_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_DIMS, _TENSOR_DATA_TYPE = 7, 5, 1, 2
# FLOAT, FLOAT16, DOUBLE, BFLOAT16, and UINT8, INT8 for weights of fewer bits with their zeros;
# longer whole numbers are shapes and indices.
_WEIGHTS = {1, 10, 11, 16, 2, 3}
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5

Value = int | bytes


def count_weights(path: Path) -> int:
    """Return how many weights the initialisers of a graph hold.

    Raises:
        BundleError: If the file is no ONNX graph.
    """
    try:
        model = path.read_bytes()
        graphs = _messages(model, _MODEL_GRAPH)
        return sum(_size(one) for graph in graphs for one in _messages(graph, _GRAPH_INITIALIZER))
    except (IndexError, ValueError, OSError) as error:
        raise BundleError(f"{path} is no ONNX graph ({error}): export it again") from error


def _size(tensor: bytes) -> int:
    sizes: list[int] = []
    kind = 0
    for number, value in _fields(tensor):
        if number == _TENSOR_DIMS:
            sizes += [value] if isinstance(value, int) else _packed(value)
        elif number == _TENSOR_DATA_TYPE and isinstance(value, int):
            kind = value
    return prod(sizes) if kind in _WEIGHTS else 0


def _packed(values: bytes) -> Iterator[int]:
    at = 0
    while at < len(values):
        value, at = _varint(values, at)
        yield value


def _messages(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the fields with a number that are messages themselves."""
    for number, value in _fields(message):
        if number == wanted and isinstance(value, bytes):
            yield value


def _fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Yield the number and the value of each field of a message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if at + length > len(message):
            raise ValueError(f"a field of {length} bytes, {len(message) - at} are left")
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, least first, and the place after it."""
    value, shift = 0, 0
    while message[at] & 0x80:
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | message[at] << shift, at + 1
