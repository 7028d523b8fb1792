"""Setting `camera_joints`: the joints whose motion changes the image of a camera."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.sensing.frozen_image import FrozenImageDetector
from dbp_ros.settings.joint_patterns import match_joints
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import Indices, seconds_to_ns

OFF = "off"
# Joints of a camera that is not listed. Grippers move too little to change an image.
ARMS = "*,!*gripper*,!*finger*,!*knuckle*"


def rule_for(camera: str, camera_joints: Sequence[str]) -> str | None:
    """Return the text after `=` in the first item for a camera; None if there is no item."""
    for item in camera_joints:
        pattern, _, rule = item.partition("=")
        if fnmatchcase(camera, pattern.strip()):
            return rule.strip()
    return None


def joints_in_view(
    camera: str,
    joints: Sequence[str],
    camera_joints: Sequence[str] = PolicyConfig.camera_joints,
) -> Indices:
    """Return the indices of the joints that may change a camera's image; none if it is `off`."""
    rule = rule_for(camera, camera_joints)
    names = [] if rule == OFF else match_joints(joints, ARMS if rule is None else rule)
    return np.array([k for k, joint in enumerate(joints) if joint in names], dtype=np.int64)


def check_camera_joints(config: PolicyConfig) -> None:
    """Check the setting against the joints of the robot.

    Raises:
        ConfigError: If an item is malformed or matches no joint. Default items need not match.
    """
    for item in config.camera_joints:
        camera, equals, rule = (part.strip() for part in item.partition("="))
        if not (camera and equals and rule):
            raise ConfigError(
                f"camera_joints has {item!r}, expected camera=joints, such as "
                f"{PolicyConfig.camera_joints[0]!r}, or camera={OFF}"
            )
        exempt = rule == OFF or item in PolicyConfig.camera_joints
        if not exempt and not match_joints(config.joints, rule):
            raise ConfigError(
                f"camera_joints has {item!r}, which matches none of the joints "
                f"{', '.join(config.joints)}"
            )


def frozen_image_detector(
    camera: str, joints: Sequence[str], config: PolicyConfig
) -> FrozenImageDetector:
    """Return the frozen-image detector of a camera.

    Args:
        camera: Name of the camera.
        joints: Joints of the model, in the order of its positions.
        config: Settings.
    """
    return FrozenImageDetector(
        joints_in_view(camera, joints, config.camera_joints),
        rule_for(camera, config.camera_joints) is not None,
        seconds_to_ns(config.image_frozen_after_s),
        config.image_frozen_motion,
        seconds_to_ns(config.image_frozen_retry_s),
    )


def describe_check(camera: str, joints: Sequence[str], config: PolicyConfig) -> str:
    """Return a sentence about the check of a camera's images."""
    names = ", ".join(joints[k] for k in joints_in_view(camera, joints, config.camera_joints))
    rule = rule_for(camera, config.camera_joints)
    if rule is None:
        return f"{camera} may see a still scene"
    if rule == OFF:
        return f"{camera} is not checked for frozen images"
    return f"{camera} must return another image when {names or 'no joint of this model'} moves"
