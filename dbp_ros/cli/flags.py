"""One flag for each field of a settings dataclass."""

import argparse
from dataclasses import fields
from typing import Any


def add_settings(parser: argparse.ArgumentParser, kind: Any) -> None:
    """Add a flag for every field of a settings dataclass, with its default in the help text."""
    for item in fields(kind):
        default = item.default
        keywords: dict[str, Any] = {"type": type(default)}
        if isinstance(default, bool):
            keywords = {"action": argparse.BooleanOptionalAction}
        elif isinstance(default, tuple):
            keywords = {"nargs": "+", "type": type(default[0])}
        text = f"{_in_lower_case(item.metadata['doc'])} (default: {_shown(default)})"
        flag = f"--{item.name.replace('_', '-')}"
        parser.add_argument(flag, default=default, help=text.replace("%", "%%"), **keywords)


def settings_from(kind: Any, arguments: argparse.Namespace) -> Any:
    """Return a settings dataclass with the values of a command line."""
    values = {item.name: getattr(arguments, item.name) for item in fields(kind)}
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def _in_lower_case(doc: str) -> str:
    """Return a description with a lower-case first letter, unless it is an abbreviation."""
    return doc if doc[1:2].isupper() else doc[:1].lower() + doc[1:]


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, tuple):
        return " ".join(map(str, default))
    return str(default) or "none"
