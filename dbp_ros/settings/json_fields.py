"""JSON documents from outside, read into the fields of a dataclass or refused in one sentence."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

LONGEST = 1 << 20
LARGEST = 1 << 63


def parse_fields(text: str, kinds: Mapping[str, type], longest: int = LONGEST) -> dict[str, Any]:
    """Return the members of a JSON object, which must be exactly those expected.

    Args:
        text: The document.
        kinds: Type of each member: `str`, `int`, `float`, `list` or `dict`. Whole numbers are
            64 bits, other numbers are finite, and texts can be encoded in UTF-8.
        longest: Most characters.

    Raises:
        ValueError: If it is anything else; the message names what is wrong.
    """
    if len(text) > longest:
        raise ValueError(f"{len(text)} characters, expected at most {longest}")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON ({error}): {text[:80]!r}") from error
    if not isinstance(values, dict):
        raise ValueError(f"a JSON {type(values).__name__}, expected an object: {text[:80]!r}")
    if values.keys() != kinds.keys():
        raise ValueError(
            f"members {', '.join(sorted(values)) or 'none'}, expected {', '.join(sorted(kinds))}"
        )
    for name, kind in kinds.items():
        _require(name, values[name], kind)
    return values


def field_kinds(kind: type[Any]) -> dict[str, Any]:
    """Return the type of each field of a dataclass whose fields are plain."""
    return {item.name: item.type for item in fields(kind)}


def _require(name: str, value: Any, kind: type) -> None:
    whole = type(value) is int
    if type(value) is not kind and not (kind is float and whole):
        raise ValueError(f"{name} is a {type(value).__name__}, expected a {kind.__name__}")
    if whole and not -LARGEST <= value < LARGEST:
        raise ValueError(f"{name} has more than 64 bits")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{name} is {value}, expected a finite number")
    if kind is str:
        # A lone surrogate can neither be published nor logged; this raises a ValueError.
        value.encode()
