"""`dataset.yaml`: the commands that recorded a data set, and the settings of its parts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from dbp_ros.data.episode import DATASET_FILE
from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.files import write_text


def begin_part(
    directory: Path,
    command: str,
    description: dict[str, Any],
    part: dict[str, Any],
    shared: Sequence[str],
) -> dict[str, Any]:
    """Add the episodes of a command to `dataset.yaml` before they are recorded.

    Args:
        directory: Folder of the data set.
        command: Command line that reproduces the episodes.
        description: Properties of the whole data set, which replace those of earlier commands.
        part: `first`, `episodes` and the settings of these episodes.
        shared: Settings that are equal for all episodes of a part.

    Returns:
        The content, whose last part describes these episodes.

    Raises:
        ConfigError: If some of these episodes were recorded with other settings.
        EpisodeError: If the file cannot be read.
    """
    path = directory / DATASET_FILE
    earlier = read_description(directory)
    parts = []
    for known in earlier.get("parts", []):
        if _overlapping(known, part):
            _require_same_settings(known, part, shared, path)
            part = _joined(known, part)
        else:
            parts.append(known)
    lines = [line for line in earlier.get("command_lines", []) if line != command]
    name, *rest = description
    content = {
        name: description[name],
        "command_lines": [*lines, command],
        **{key: description[key] for key in rest},
        "parts": [*parts, part],
    }
    write_description(directory, content)
    return content


def read_description(data: Path) -> dict[str, Any]:
    """Return the content of `dataset.yaml`; empty if the set has none.

    Raises:
        EpisodeError: If it cannot be read.
    """
    path = data / DATASET_FILE
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise EpisodeError(f"{path} is not valid YAML: {reason}") from error
    if not isinstance(content, dict):
        raise EpisodeError(f"{path} is not a mapping: correct it or delete it")
    return content


def write_description(directory: Path, content: dict[str, Any]) -> None:
    """Write `dataset.yaml`."""
    write_text(directory / DATASET_FILE, yaml.safe_dump(content, sort_keys=False))


def _overlapping(part: dict[str, Any], other: dict[str, Any]) -> bool:
    episodes = [range(one["first"], one["first"] + one["episodes"]) for one in (part, other)]
    return not set(episodes[0]).isdisjoint(episodes[1])


def _joined(part: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return two overlapping parts as one."""
    first = min(part["first"], other["first"])
    end = max(part["first"] + part["episodes"], other["first"] + other["episodes"])
    return {**other, "first": first, "episodes": end - first}


def _require_same_settings(
    known: dict[str, Any], part: dict[str, Any], names: Sequence[str], path: Path
) -> None:
    different = [name for name in names if known.get(name) != part.get(name)]
    if different:
        end = known["first"] + known["episodes"]
        raise ConfigError(
            f"{path}: episodes {known['first']} to {end - 1} were recorded with "
            f"{', '.join(f'{name} {known.get(name)!r}' for name in different)}, this command has "
            f"{', '.join(repr(part.get(name)) for name in different)}: use another --out, or "
            f"--first {end} to add episodes"
        )
