"""External data of an ONNX graph, read from its file without loading it.

ONNX Runtime opens external data from the folder of the graph. An ONNX file is a protocol buffer.
The parser descends only into fields that can contain a reference, and skips tensor data.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dbp_ros.errors import BundleError

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_MODEL, _GRAPH, _TRAINING, _FUNCTION, _NODE, _ATTRIBUTE, _SPARSE, _TENSOR = range(8)
# Nested messages that can contain a reference, by the field numbers of onnx.proto.
_NESTED = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {
        5: _TENSOR,
        6: _GRAPH,
        10: _TENSOR,
        11: _GRAPH,
        22: _SPARSE,
        23: _SPARSE,
    },
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
}
_NODE_OPERATOR, _EXTERNAL_DATA, _ENTRY_KEY, _ENTRY_VALUE = 4, 13, 1, 2
# Operator that loads a compiled engine, usually from a file.
EP_CONTEXT = "EPContext"
MAX_NAME_BYTES = 4096


def external_files(path: Path) -> set[str]:
    """Return the names, relative to its folder, of all files that a graph refers to.

    Raises:
        BundleError: If the file is not an ONNX graph.
    """
    try:
        with path.open("rb") as file:
            return set(_references(file, _MODEL, path.stat().st_size))
    except (IndexError, ValueError, OSError, RecursionError) as error:
        reason = f"not an ONNX graph: {error}"
        raise BundleError(f"{path} cannot be loaded ({reason}): export it again") from error


def _references(file: BinaryIO, message: int, end: int) -> Iterator[str]:
    for number, length in _fields(file, end):
        nested = _NESTED.get(message, {}).get(number)
        if nested is not None:
            yield from _references(file, nested, file.tell() + length)
        elif message == _TENSOR and number == _EXTERNAL_DATA:
            entry = dict(_texts(file, file.tell() + length))
            if entry.get(_ENTRY_KEY) == "location":
                yield entry.get(_ENTRY_VALUE, "")
        elif message == _NODE and number == _NODE_OPERATOR and _text(file, length) == EP_CONTEXT:
            yield f"the engine of an operator {EP_CONTEXT}"


def _texts(file: BinaryIO, end: int) -> Iterator[tuple[int, str]]:
    for number, length in _fields(file, end):
        yield number, _text(file, length)


def _text(file: BinaryIO, length: int) -> str:
    if length > MAX_NAME_BYTES:
        raise ValueError(f"a name of {length} bytes")
    return file.read(length).decode()


def _fields(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Yield number and length of each length-delimited field, with the file at its content."""
    at = file.tell()
    while at < end:
        file.seek(at)
        key = _varint(file)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            _varint(file)
            at = file.tell()
            continue
        if kind not in (_BYTES, _EIGHT_BYTES, _FOUR_BYTES):
            raise ValueError(f"a field of wire type {kind}")
        length = _varint(file) if kind == _BYTES else 8 if kind == _EIGHT_BYTES else 4
        start = file.tell()
        at = start + length
        if at > end:
            raise ValueError(f"a field of {length} bytes, but only {end - start} are left")
        if kind == _BYTES:
            yield number, length
    if at != end:
        raise ValueError("the last field exceeds the message")


def _varint(file: BinaryIO) -> int:
    """Return a base-128 varint."""
    value, shift = 0, 0
    while True:
        byte = file.read(1)[0]
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value
        shift += 7
