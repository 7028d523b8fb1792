"""Settings of a workspace for teaching."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import yaml

from dbp_ros.errors import ConfigError
from dbp_ros.files import write_text
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT
from dbp_ros.settings.fields import Settings, from_mapping, setting


@dataclass(frozen=True)
class TeachConfig(Settings):
    """Settings of training and evaluation, for ten to thirty demonstrations on two cores."""

    task: str = setting("lift", "Task of the simulated cell to evaluate in; empty for a real robot")
    robot: str = setting(
        DEFAULT_ROBOT, "Description of the robot: a name in config/robots/, or a file"
    )
    model_name: str = setting("taught", "Name of the trained models")
    initial_model: str = setting(
        "",
        "Model bundle with the initial weights, network, cameras and image size: a folder, or a "
        "name under models/; empty for random weights",
    )
    method: Literal["dbp", "bc_mse"] = setting("dbp", "Training method of random weights")
    num_steps: int = setting(1000, "Optimizer steps of a training", ge=1)
    batch_size: int = setting(32, "Observations per optimizer step", ge=1)
    image_size: int = setting(
        84, "Height and width to which larger images are reduced, with random weights [px]", ge=8
    )
    trim_start: bool = setting(
        True, "Leave out the rest before the first motion of an episode that is not trimmed"
    )
    threads: int = setting(2, "CPU threads of the training, and processes of the evaluation", ge=1)
    evaluation_episodes: int = setting(20, "Episodes of an evaluation", ge=1)


def read_settings(path: Path) -> TeachConfig:
    """Return the settings in a file; the defaults without one.

    Raises:
        ConfigError: If the file cannot be read, or a setting is unknown or invalid.
    """
    if not path.exists():
        return TeachConfig()
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return from_mapping(TeachConfig, values)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ConfigError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: {reason}: correct the file or delete it") from error


def write_settings(path: Path, settings: TeachConfig) -> None:
    """Write all settings to a file atomically."""
    values = {item.name: getattr(settings, item.name) for item in fields(settings)}
    write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
