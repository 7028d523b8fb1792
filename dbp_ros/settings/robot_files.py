"""Files of robot descriptions, and the settings of the nodes that follow from them."""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from dbp_ros.errors import ConfigError
from dbp_ros.resources import resource_directory
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.parameter_yaml import suggestion
from dbp_ros.settings.robot import RobotDescription

FOLDER = "robots"
SUFFIX = ".yaml"
# Limits in a description, by the setting of the guard.
LIMITS = {
    "position_lower": "min_position",
    "position_upper": "max_position",
    "velocity_limit": "max_velocity",
    "acceleration_limit": "max_acceleration",
    "tracking_error_limit": "max_tracking_error",
}
# Settings with one value per joint.
PER_JOINT = (*LIMITS, "home_positions")


def robot_folder() -> Path:
    """Return the folder of the descriptions that ship with the package."""
    return resource_directory() / "config" / FOLDER


def robot_names() -> list[str]:
    """Return the names of the descriptions that ship with the package."""
    return sorted(path.stem for path in robot_folder().glob(f"*{SUFFIX}"))


def path_of(robot: str) -> Path | None:
    """Return the absolute path of a description that is given by its file, None for a name."""
    is_path = "/" in robot or robot.endswith(SUFFIX)
    return Path(robot).expanduser().absolute() if is_path else None


def robot_file(robot: str) -> Path:
    """Return the file of a description.

    Args:
        robot: Name of a description in `config/robots/`, or the path of a file.

    Raises:
        ConfigError: If there is no such file.
    """
    given = path_of(robot)
    path = given or robot_folder() / f"{robot}{SUFFIX}"
    if path.is_file():
        return path
    if given:
        raise ConfigError(f"robot is {robot}, but {path} is no file")
    names = robot_names()
    guess = suggestion(robot, names, f"expected a file or one of {', '.join(names)}")
    raise ConfigError(f"robot is {robot!r}, which is not in {robot_folder()}{guess}")


def read_robot(robot: str) -> RobotDescription:
    """Return a description by its name or file.

    Raises:
        ConfigError: If the file is missing or not YAML, has unknown or repeated keys, or a value
            is missing, has the wrong type, or contradicts another one.
    """
    path = robot_file(robot)
    return _read(path, path.stat().st_mtime_ns)


def settings_for(robot: str) -> dict[str, Any]:
    """Return the settings of all nodes that follow from a description, by name."""
    description = read_robot(robot)
    return {
        "joints": description.joints,
        "controllers": description.controllers,
        "controller_sizes": description.controller_sizes,
        "gripper_joints": description.gripper_joints,
        "home_positions": description.home_positions,
        "home_speed": description.home_speed,
        "command_rate_hz": description.command_rate_hz,
        "cameras": description.camera_names,
        "camera_joints": description.camera_joints,
        **{name: description.limits(limit) for name, limit in LIMITS.items()},
    }


def settings_for_joints(robot: str, joints: Sequence[str]) -> dict[str, Any]:
    """Return the settings that follow from a description for some of its joints, in any order.

    Settings that do not follow are absent: values of joints that are not in the description, and
    the controllers unless each of them has the same joints.

    Raises:
        ConfigError: As `read_robot`, or if a joint is repeated.
    """
    if repeated := sorted({joint for joint in joints if joints.count(joint) > 1}):
        raise ConfigError(f"joints has {', '.join(repeated)} twice, expected different joints")
    known, found = read_robot(robot), settings_for(robot)
    found["joints"] = tuple(joints)
    if set(joints) <= set(known.joints):
        order = [known.joints.index(joint) for joint in joints]
        found |= {name: tuple(found[name][k] for k in order) for name in PER_JOINT}
        found["gripper_joints"] = tuple(j for j in joints if j in known.gripper_joints)
    else:
        for name in (*PER_JOINT, "gripper_joints"):
            del found[name]
    ends = list(accumulate(known.controller_sizes))
    parts = zip([0, *ends], ends, known.forward_controllers.values(), strict=False)
    if len(joints) != ends[-1] or any(set(joints[a:b]) != set(own) for a, b, own in parts):
        del found["controllers"], found["controller_sizes"]
    return found


class _Loader(yaml.SafeLoader):
    """Loader that refuses a key that occurs twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                line = node.start_mark.line + 1
                raise yaml.YAMLError(f"{key!r} occurs twice in the mapping at line {line}")
        return super().construct_mapping(node, deep)


@cache
def _read(path: Path, modified_ns: int) -> RobotDescription:
    """Return the description in a file; a changed file is read again."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        return from_mapping(RobotDescription, values)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
