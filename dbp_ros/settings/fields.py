"""Conversion of plain values to dataclasses, with checks of types, ranges and choices."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import (
    Any,
    Literal,
    NamedTuple,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

from dbp_ros.errors import ConfigError

Kind = TypeVar("Kind")
MAX_JSON_LENGTH = 1 << 20
INT64 = 1 << 63
# Integers up to this one are floats, and floats are below two to the power of the exponent.
MAX_EXACT, MAX_EXPONENT = 1 << 53, 1023
_hints: Callable[[Any], dict[str, Any]] = cache(get_type_hints)


def setting(default: Any, doc: str, *, ge: float | None = None, le: float | None = None) -> Any:
    """Return a dataclass field with a description and a closed range from `ge` to `le`."""
    metadata = {"doc": doc, "ge": ge, "le": le}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Base of settings dataclasses: every value is converted and checked on construction.

    Raises:
        ConfigError: If a value has the wrong type, or is out of its range or choices.
    """

    def __post_init__(self) -> None:
        """Convert and check every value."""
        hints = _hints(type(self))
        for item in fields(self):
            value = _checked(item.metadata, hints[item.name], getattr(self, item.name), item.name)
            object.__setattr__(self, item.name, value)


class Leaf(NamedTuple):
    """Single setting; in a group its name is `group.name`."""

    name: str
    kind: Any
    value: Any
    doc: str
    bounds: str


def leaves(config: Settings, prefix: str = "") -> Iterator[Leaf]:
    """Yield every setting of a dataclass and of the groups in it."""
    for item in fields(config):
        name, value = f"{prefix}{item.name}", getattr(config, item.name)
        if isinstance(value, Settings):
            yield from leaves(value, f"{name}.")
        else:
            kind, data = _hints(type(config))[item.name], item.metadata
            choices = get_args(kind) if get_origin(kind) is Literal else ()
            bounds = f"one of {', '.join(choices)}" if choices else _bounds(data["ge"], data["le"])
            yield Leaf(name, kind, value, data["doc"], bounds)


def from_mapping(kind: type[Kind], values: Any, prefix: str = "") -> Kind:
    """Build a dataclass from plain values, as in YAML or JSON.

    Args:
        kind: The dataclass, with or without `Settings` as its base.
        values: Values by name. A group is a mapping, or its values are named `group.name`.
        prefix: Prefix of the names in errors.

    Raises:
        ConfigError: If a name is unknown or missing, or a value has the wrong type or is out of
            its range or choices.
    """
    if not isinstance(values, Mapping):
        _reject(prefix.rstrip(".") or kind.__name__, values, "a mapping")
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    given, hints = _grouped(values), _hints(kind)
    unknown = sorted(str(name) for name in given.keys() - known.keys())
    required = [n for n, i in known.items() if i.default is i.default_factory is MISSING]
    missing = [name for name in required if name not in given]
    for problem, names in (("has no", unknown), ("lacks", missing)):
        if names:
            named = ", ".join(f"{prefix}{name}" for name in names)
            raise ConfigError(
                f"{kind.__name__} {problem} {named}; its fields are {', '.join(known)}"
            )
    checked = {
        name: _checked(known[name].metadata, hints[name], value, f"{prefix}{name}")
        for name, value in given.items()
    }
    try:
        return kind(**checked)
    except ConfigError as error:
        # Checks of values that depend on each other do not know the name of their group.
        raise ConfigError(f"{prefix.rstrip('.')}: {error}" if prefix else str(error)) from error


def convert(kind: Any, value: Any, name: str) -> Any:
    """Return a plain value as its annotation demands: lists as tuples, whole numbers as floats.

    Raises:
        ConfigError: If it has another type, or is none of the values of a `Literal`.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{name} is {value!r:.80}, expected one of {', '.join(arguments)}")
        return value
    if origin in (UnionType, Union):
        return None if value is None else convert(arguments[0], value, name)
    if origin is np.ndarray:
        return _array(value, name)
    if origin is tuple:
        return _tuple(arguments, value, name)
    if origin is dict:
        if not isinstance(value, dict):
            _reject(name, value, "a mapping")
        names = [convert(arguments[0], key, f"a key of {name}") for key in value]
        return {key: convert(arguments[1], value[key], f"{name}.{key}") for key in names}
    if is_dataclass(kind) and not isinstance(value, kind):  # type: ignore[arg-type]
        return from_mapping(kind, value, f"{name}.")  # type: ignore[arg-type]
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int:
        return _exact_float(value, name)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        _reject(name, value, kind.__name__)
    return value


def from_json(kind: type[Kind], text: str, max_length: int = MAX_JSON_LENGTH) -> Kind:
    """Build a dataclass from a JSON object of an untrusted sender.

    Args:
        kind: The dataclass.
        text: The document. Integers have 64 bits, other numbers are finite, and strings are valid
            UTF-8.
        max_length: Maximum number of characters.

    Raises:
        ConfigError: If the document is invalid.
    """
    if len(text) > max_length:
        raise ConfigError(f"{len(text)} characters, expected at most {max_length}")
    try:
        values = json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_int64)
        # A lone surrogate can be neither published nor logged.
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not JSON ({error}): {text[:80]!r}") from error
    return from_mapping(kind, values)


def to_json(value: Any) -> str:
    """Return a dataclass as one line of JSON, its arrays as lists."""
    return json.dumps(asdict(value), default=np.ndarray.tolist)


def _grouped(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with those named `group.name` as a mapping of the group."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        group, dot, rest = str(name).partition(".")
        if dot and isinstance(members := found.setdefault(group, {}), dict):
            members[rest] = value
        else:
            found[name] = value
    return found


def _checked(metadata: Mapping[str, Any], kind: Any, value: Any, name: str) -> Any:
    value = convert(kind, value, name)
    low, high = metadata.get("ge"), metadata.get("le")
    if low is high is None or value is None:
        return value
    for number in value if isinstance(value, tuple) else (value,):
        if not (low is None or number >= low) or not (high is None or number <= high):
            expected = f"{_bounds(low, high)}: {metadata['doc']}"
            raise ConfigError(f"{name} = {number}, expected {expected}")
    return value


def _bounds(low: float | None, high: float | None) -> str:
    """Return a closed range in words; empty if there is none."""
    if low is not None and high is not None:
        return f"from {low} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""


def _tuple(kinds: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        _reject(name, value, f"a list of {kinds[0].__name__}")
    items = list(value)
    if kinds[-1] is ...:
        return tuple(convert(kinds[0], item, name) for item in items)
    if len(items) != len(kinds):
        _reject(name, value, f"a list of {len(kinds)}")
    return tuple(convert(kind, item, name) for kind, item in zip(kinds, items, strict=True))


def _exact_float(value: int, name: str) -> float:
    """Return a whole number as a float.

    Raises:
        ConfigError: If a float would round it, which starts above 2^53.
    """
    # Larger powers of two are exact, too, and integers beyond the range of floats overflow.
    if abs(value) > MAX_EXACT and (abs(value) >> MAX_EXPONENT or int(float(value)) != value):
        _reject(name, value, "a number that a float represents exactly, such as one up to 2^53")
    return float(value)


def _array(value: Any, name: str) -> Any:
    """Return lists of finite numbers as an array of float32."""
    try:
        found = np.array(value)
    except ValueError:
        found = np.array("ragged")
    with np.errstate(over="ignore"):
        numbers = found.astype(np.float32) if found.dtype.kind in "if" else None
    if numbers is None or not numbers.ndim or not np.isfinite(numbers).all():
        raise ConfigError(f"{name} is not an array of finite numbers")
    return numbers


def _reject(name: str, value: Any, expected: str) -> NoReturn:
    what = f"{value!r:.80} of type {type(value).__name__}"
    raise ConfigError(f"{name} is {what}, expected {expected}")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is not finite")
    return number


def _int64(text: str) -> int:
    if not -INT64 <= (number := int(text)) < INT64:
        raise ValueError(f"{text[:20]} has more than 64 bits")
    return number
