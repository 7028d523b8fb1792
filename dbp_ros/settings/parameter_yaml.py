"""Parser of ROS 2 parameter files, with the type inference of ROS 2."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dbp_ros.errors import ConfigError

PARAMETERS = "ros__parameters"
PLAIN, STRING = "plain scalar", "tag:yaml.org,2002:str"
TRUE = {"Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
FALSE = {"N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
HEXADECIMAL, OCTAL, DECIMAL = (
    re.compile(pattern)
    for pattern in (r"[+-]?0[xX][0-9a-fA-F]+", r"[+-]?0[0-7]*", r"[+-]?[1-9]\d*")
)


@dataclass(frozen=True)
class Block:
    """Parameters of one node name in a file.

    Attributes:
        key: The name as written, such as `/**`, `guard` or `/cell/guard`.
        line: Line of the name.
        values: Parameters by name, nested names joined with dots.
        lines: Line of each parameter.
    """

    key: str
    line: int
    values: dict[str, Any]
    lines: dict[str, int]

    def applies_to(self, node: str) -> bool:
        """Return whether the block matches a fully qualified node name."""
        key = self.key if self.key.startswith("/") else f"/{self.key}"
        pattern = re.escape(key).replace(r"/\*", r"(/\w+)").replace(r"\*", "*")
        return re.fullmatch(pattern, node) is not None


def read_blocks(path: Path) -> list[Block]:
    """Return the blocks of a parameter file, with types as in ROS 2.

    Raises:
        ConfigError: If ROS 2 cannot read the file, or a key occurs twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise ConfigError(f"{path} has aliases (*name), which ROS 2 does not read")
        documents = list(yaml.compose_all(text, Loader=_Loader))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    blocks = [
        block for document in documents if document for block in _blocks(path, document, "", 1)
    ]
    _reject_duplicates(path, ((block.key, block.line) for block in blocks))
    return blocks


class _Loader(yaml.BaseLoader):
    """Loader that marks plain scalars, whose type is inferred as in ROS 2."""

    def resolve(self, kind: type[yaml.Node], value: object, implicit: tuple[bool, bool]) -> str:
        """Return the tag of a node that has no explicit tag."""
        return PLAIN if kind is yaml.ScalarNode and implicit[0] else STRING


def _blocks(path: Path, node: yaml.Node, above: str, line: int) -> Iterator[Block]:
    """Yield the blocks below a namespace, which may be nested."""
    if not isinstance(node, yaml.MappingNode):
        where = f" below '{above}'" if above else ""
        raise ConfigError(f"{path}, line {_line(node)}: expected {PARAMETERS}{where}, with values")
    for key, value in _pairs(path, node):
        if key.value == PARAMETERS:
            lines = dict[str, int]()
            values = dict(_values(path, value, "", lines))
            yield Block(above, line, values, lines)
        elif nearest(key.value, (PARAMETERS,)):
            raise ConfigError(f"{path}, line {_line(key)}: '{key.value}': write {PARAMETERS}")
        else:
            name = key.value.strip("/") if above else key.value
            yield from _blocks(path, value, f"{above}/{name}" if above else name, _line(key))


def _values(
    path: Path, node: yaml.Node, above: str, lines: dict[str, int]
) -> Iterator[tuple[str, Any]]:
    """Yield parameters by name, and store their lines."""
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}, line {_line(node)}: expected 'name: value' below {PARAMETERS}")
    for key, value in _pairs(path, node):
        name = f"{above}{key.value}"
        lines[name] = _line(key)
        if isinstance(value, yaml.MappingNode):
            yield from _values(path, value, f"{name}.", lines)
        elif isinstance(value, yaml.SequenceNode):
            yield name, _list(path, name, value)
        elif isinstance(value, yaml.ScalarNode):
            yield name, _scalar(path, name, value)


def _pairs(path: Path, node: yaml.MappingNode) -> Sequence[tuple[yaml.ScalarNode, yaml.Node]]:
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{path}, line {_line(key)}: a key is a list or a mapping")
    _reject_duplicates(path, ((key.value, _line(key)) for key, _ in node.value))
    pairs: Sequence[tuple[yaml.ScalarNode, yaml.Node]] = node.value
    return pairs


def _list(path: Path, name: str, node: yaml.SequenceNode) -> list[Any]:
    if not all(isinstance(item, yaml.ScalarNode) for item in node.value):
        raise ConfigError(f"{path}, line {_line(node)}: {name} has a list in a list")
    values = [_scalar(path, name, item) for item in node.value]
    if len(kinds := {type(value).__name__ for value in values}) > 1:
        hint = ": write 20.0 for 20" if kinds == {"int", "float"} else ""
        raise ConfigError(
            f"{path}, line {_line(node)}: {name} mixes {' and '.join(sorted(kinds))}, and ROS 2 "
            f"reads a list of one type{hint}"
        )
    return values


def _scalar(path: Path, name: str, node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.tag == STRING or node.style in ("'", '"'):
        return text
    if not text:
        raise ConfigError(f"{path}, line {_line(node)}: {name} has no value")
    if text in TRUE or text in FALSE:
        return text in TRUE
    for pattern, base in ((HEXADECIMAL, 16), (OCTAL, 8), (DECIMAL, 10)):
        if pattern.fullmatch(text):
            return int(text, base)
    try:
        number = text.lower().replace(".inf", "inf").replace(".nan", "nan")
        return text if "_" in text else float(number)
    except ValueError:
        return text


def _reject_duplicates(path: Path, keys: Iterable[tuple[str, int]]) -> None:
    first = dict[str, int]()
    for key, line in keys:
        if key in first:
            raise ConfigError(f"{path}: '{key}' is in line {first[key]} and again in line {line}")
        first[key] = line


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the most similar known name; empty if there is none."""
    return next(iter(difflib.get_close_matches(name, list(known), 1)), "")


def suggestion(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return the end of an error about an unknown name: a colon and the most similar known name.

    Args:
        name: The unknown name.
        known: The known names.
        otherwise: What to write in place of a name if none is similar; empty for no end.
    """
    near = nearest(name, known)
    text = f"did you mean {near}?" if near else otherwise
    return f": {text}" if text else ""
