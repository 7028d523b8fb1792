"""YAML files of mappings."""

from dataclasses import asdict
from pathlib import Path

import yaml

from dbp_ros.bundle.manifest import UNREADABLE
from dbp_ros.errors import ConfigError
from dbp_ros.files import write_text
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.policy_mapping import PolicyMapping


def read_mapping(path: Path) -> PolicyMapping:
    """Read a mapping.

    Raises:
        ConfigError: If the file cannot be read, or has unknown or invalid values.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"--mapping {path} cannot be read ({error.strerror}): write a first one with --describe"
        ) from error
    except (yaml.YAMLError, *UNREADABLE) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    try:
        return from_mapping(PolicyMapping, values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def write_mapping(path: Path, mapping: PolicyMapping) -> None:
    """Write a mapping with all its values, which `read_mapping` reads."""
    write_text(path, yaml.safe_dump(asdict(mapping), sort_keys=False, width=100))
