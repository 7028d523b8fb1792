"""Message definitions, as stored in a bag."""

import os
import re
import sys
from pathlib import Path

from dbp_ros.errors import ConfigError

SEPARATOR = "=" * 80
FIELD = re.compile(r"^(?:(\w+)/)?([A-Z]\w*)(?:\[.*\])?\s+\w+")


def message_definition(kind: str) -> str:
    """Return the definition of a type and of all types in it.

    Args:
        kind: Type, such as `sensor_msgs/msg/Image`.

    Raises:
        ConfigError: If a definition is not installed.
    """
    texts: dict[str, str] = {}
    _collect(kind, texts)
    first, *others = texts.items()
    parts = [first[1]]
    parts += [f"{SEPARATOR}\nMSG: {name.replace('/msg/', '/')}\n{text}" for name, text in others]
    return "\n".join(parts)


def _collect(kind: str, texts: dict[str, str]) -> None:
    if kind in texts:
        return
    package, _, name = kind.split("/")
    texts[kind] = _read(package, name)
    for line in texts[kind].splitlines():
        if match := FIELD.match(line):
            _collect(f"{match[1] or package}/msg/{match[2]}", texts)


def _read(package: str, name: str) -> str:
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    for prefix in (*filter(None, prefixes), sys.prefix):
        path = Path(prefix) / "share" / package / "msg" / f"{name}.msg"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ConfigError(
        f"the definition of {package}/msg/{name} is not installed under AMENT_PREFIX_PATH: "
        f"install {package}"
    )
