"""Settings as command line flags and launch arguments."""

import argparse
from collections.abc import Collection, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import Settings, from_mapping, leaves

Kind = TypeVar("Kind", bound=Settings)
BOOLEANS = {"true": True, "false": False}
Parser = argparse.ArgumentParser | argparse._ArgumentGroup
# Attribute of parsed arguments with the names of the given settings.
GIVEN = "given_settings"


class _Store(argparse.Action):
    """Storage of a value, and of the name of its setting."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        setattr(namespace, GIVEN, given_settings(namespace) | {self.dest})


class _StoreBoolean(argparse.BooleanOptionalAction):
    """Storage of a Boolean, and of the name of its setting."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        super().__call__(parser, namespace, values, option_string)
        setattr(namespace, GIVEN, given_settings(namespace) | {self.dest})


def add_settings(
    parser: Parser, kind: type[Settings], names: Collection[str] | None = None
) -> None:
    """Add a flag for every setting, with its default in the help text; `--group.name` in groups.

    Args:
        parser: Parser or group of flags.
        kind: The settings.
        names: Settings to add; None for all.
    """
    for leaf in leaves(kind()):
        if names is not None and leaf.name not in names:
            continue
        notes = [leaf.bounds, "" if leaf.value is None else f"default: {_shown(leaf.value)}"]
        # Descriptions of ROS parameters are capitalised, help texts are not.
        # An abbreviation or a name keeps its capital: KL, U-Net, ResNet.
        first, rest = leaf.doc[:1], leaf.doc[1:]
        is_name = any(map(str.isupper, rest.partition(" ")[0]))
        doc = leaf.doc if is_name else first.lower() + rest
        text = f"{doc} ({'; '.join(filter(None, notes))})".replace(" ()", "")
        keywords = _keywords(leaf.kind, bool(leaf.value))
        parser.add_argument(
            _flag(leaf.name), default=leaf.value, help=text.replace("%", "%%"), **keywords
        )


def settings_from(kind: type[Kind], arguments: argparse.Namespace) -> Kind:
    """Return a settings dataclass with the values of a command line.

    Raises:
        ConfigError: If a value is out of its range or choices.
    """
    return from_mapping(kind, {leaf.name: getattr(arguments, leaf.name) for leaf in leaves(kind())})


def given_settings(arguments: argparse.Namespace) -> frozenset[str]:
    """Return the names of the settings on a command line, also of those with default values."""
    given: frozenset[str] = getattr(arguments, GIVEN, frozenset())
    return given


def check_resumed(names: Collection[str], given: Settings, stored: Settings) -> None:
    """Check that no setting on a command line differs from that of a run that it resumes.

    Args:
        names: Names of the settings on the command line, see `given_settings`.
        given: Settings of the command line.
        stored: Settings of the run.

    Raises:
        ConfigError: With both values.
    """
    for one, stored_one in zip(leaves(given), leaves(stored), strict=True):
        if one.name in names and one.value != stored_one.value:
            raise ConfigError(
                f"{one.name} is {_shown(one.value)}, and the run in --out has "
                f"{_shown(stored_one.value)}: leave it out with --resume, or start another run in "
                "another --out"
            )


def flags_of(config: Settings) -> list[str]:
    """Return the flags of all settings that differ from their defaults."""
    flags: list[str] = []
    for leaf, default in zip(leaves(config), leaves(type(config)()), strict=True):
        if leaf.value == default.value:
            continue
        if isinstance(leaf.value, bool):
            flags.append(_flag(leaf.name if leaf.value else f"no-{leaf.name}"))
        else:
            values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
            flags += [_flag(leaf.name), *map(str, values)]
    return flags


def from_strings(kind: type[Kind], strings: Mapping[str, str]) -> Kind:
    """Return the settings of launch arguments, which are strings.

    Raises:
        ConfigError: If a value cannot be parsed, or is out of its range or choices.
    """
    return from_mapping(
        kind,
        {
            leaf.name: _parsed(leaf.kind, strings[leaf.name], leaf.name)
            for leaf in leaves(kind())
            if leaf.name in strings
        },
    )


def check_at_least(minimum: float, **numbers: float) -> None:
    """Raise `ConfigError` if the number of a flag without a setting is below the minimum."""
    for name, number in numbers.items():
        if not number >= minimum:
            raise ConfigError(f"{_flag(name)} {number}, expected at least {minimum:g}")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _keywords(kind: Any, filled: bool) -> dict[str, Any]:
    """Return the keywords of `add_argument` for a type."""
    if get_origin(kind) in (UnionType, Union):
        kind = get_args(kind)[0]
    if kind is bool:
        return {"action": _StoreBoolean}
    if get_origin(kind) is tuple:
        one = get_args(kind)[0]
        return {"action": _Store, "nargs": "+" if filled else "*", "type": one}
    return {"action": _Store, "type": str if get_origin(kind) is Literal else kind}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    # Not `none`, which is a value of some settings.
    return text or "empty"


def _parsed(kind: Any, text: str, name: str) -> Any:
    if kind is bool:
        if text.lower() not in BOOLEANS:
            raise ConfigError(f"{name} is {text!r}, expected true or false")
        return BOOLEANS[text.lower()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ConfigError(f"{name} is {text!r}, expected a number") from None
    return text
