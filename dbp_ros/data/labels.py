"""Labels of episodes: outcome, task, limits and discarded episodes, in a file next to the data.

The file changes how a data set is read, never the recordings.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.files import write_text
from dbp_ros.settings.fields import Settings, from_mapping, setting

LABELS_FILE = "labels.yaml"
FORMAT = 1


@dataclass(frozen=True)
class EpisodeLabel(Settings):
    """Label of one episode; a default value leaves the recording as it is."""

    outcome: Literal["", "success", "failure"] = setting("", "outcome; empty for the recorded one")
    task: str = setting("", "name of the task; empty for the recorded one")
    discarded: bool = setting(False, "whether the episode is left out")
    start_s: float | None = setting(None, "first time to read, from the start of the episode [s]")
    end_s: float | None = setting(None, "last time to read, from the start of the episode [s]")

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: If a value has the wrong type, or the limits are not finite or in order.
        """
        super().__post_init__()
        for name in ("start_s", "end_s"):
            seconds = getattr(self, name)
            if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
                raise ConfigError(f"{name} is {seconds:g}, expected seconds of at least 0")
        if self.end_s is not None and self.end_s <= (self.start_s or 0.0):
            raise ConfigError(
                f"end_s is {self.end_s:g}, expected a time after start_s {self.start_s or 0.0:g}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the values that differ from the default."""
        values = {item.name: (getattr(self, item.name), item.default) for item in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}


NO_LABEL = EpisodeLabel()


def discarded_names(labels: Mapping[str, EpisodeLabel]) -> tuple[str, ...]:
    """Return the names of the episodes that their labels leave out."""
    return tuple(name for name, label in labels.items() if label.discarded)


def labels_path(data: Path) -> Path:
    """Return the file of the labels of a data set: in its folder, or next to its file."""
    return data / LABELS_FILE if data.is_dir() else data.with_name(f"{data.name}.{LABELS_FILE}")


def read_labels(data: Path) -> dict[str, EpisodeLabel]:
    """Return the labels of a data set by the name of the episode; empty without a file.

    Raises:
        EpisodeError: If the file cannot be read, or a label is invalid.
    """
    path = labels_path(data)
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ConfigError(f"expected a mapping with format: {FORMAT}")
        labels = content.get("episodes") or {}
        if not isinstance(labels, dict):
            raise ConfigError("episodes is not a mapping, expected a label for each name")
        return {
            str(name): from_mapping(EpisodeLabel, values, f"{name}.")
            for name, values in labels.items()
        }
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ConfigError) as error:
        reason = " ".join(str(error).split())
        raise EpisodeError(f"{path}: {reason}: correct the file or delete it") from error


def write_labels(data: Path, labels: Mapping[str, EpisodeLabel]) -> None:
    """Write the labels of a data set atomically; without any, the file is removed."""
    values = {name: label.to_dict() for name, label in sorted(labels.items())}
    values = {name: value for name, value in values.items() if value}
    path = labels_path(data)
    if not values:
        path.unlink(missing_ok=True)
        return
    content = {"format": FORMAT, "episodes": values}
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def unused_labels(labels: Mapping[str, EpisodeLabel], names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of labels whose episode is not in the set."""
    return tuple(name for name in labels if name not in names)
