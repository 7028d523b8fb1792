"""Every setting of the stack and its default, once.

A dataclass here is a node's parameters: the field's name is the parameter's name, its metadata
are the descriptor, and `config/*.yaml` may only hold keys that are fields. Nothing else in the
project has defaults of its own.
"""

from dataclasses import dataclass, field, fields
from typing import Any

from dbp_ros.errors import ConfigError

ARM_JOINTS = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "elbow_joint",
    "wrist_1_joint",
    "wrist_2_joint",
    "wrist_3_joint",
)
SIDES = ("left", "right")
DUAL_UR5E_JOINTS = tuple(
    f"{side}_{joint}" for side in SIDES for joint in (*ARM_JOINTS, "gripper_joint")
)
CAMERAS = ("head_camera", "left_wrist_camera", "right_wrist_camera")


def setting(
    default: Any, doc: str, *, minimum: float | None = None, maximum: float | None = None
) -> Any:
    """Return a dataclass field with a description and, for numbers, a closed range."""
    return field(default=default, metadata={"doc": doc, "minimum": minimum, "maximum": maximum})


def check_ranges(config: Any) -> None:
    """Raise `ConfigError` where a number of a settings dataclass is outside its range."""
    for item in fields(config):
        low, high = item.metadata.get("minimum"), item.metadata.get("maximum")
        value = getattr(config, item.name)
        for number in value if isinstance(value, tuple) else (value,):
            if (low is not None and number < low) or (high is not None and number > high):
                raise ConfigError(
                    f"{item.name} = {number} is outside [{low}, {high}]: {item.metadata['doc']}"
                )
