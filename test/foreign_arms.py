"""A foreign simulator of two arms: its data set, a file of robomimic, and their description."""

import json
from pathlib import Path

import h5py
import numpy as np
import yaml
from settings.test_robot import limits

STEPS, CONTROL_HZ = 12, 20
ARM_JOINTS = 6
CAMERAS = {"front": "agentview_image", "wrist": "robot0_eye_in_hand_image"}


def wave(width: int, seed: int, steps: int = STEPS) -> np.ndarray:
    """Return sinusoids. Shape (steps, width)."""
    phases = np.random.default_rng(seed).uniform(0, 6, width)
    times = np.linspace(0, 3 * (steps - 1) / (STEPS - 1), steps)
    return np.sin(times[:, None] + phases).astype(np.float32)


def write_two_arms(path: Path) -> Path:
    """Write demonstrations whose actions are the joint positions of two arms one step later."""
    with h5py.File(path, "w") as file:
        environment = {"env_name": "TwoArms", "env_kwargs": {"control_freq": CONTROL_HZ}}
        file.create_group("data").attrs["env_args"] = json.dumps(environment)
        for index in range(4):
            demo = file.create_group(f"data/demo_{index}")
            positions = 0.5 + 0.4 * wave(2 * (ARM_JOINTS + 1), index, STEPS + 1)
            demo["actions"] = positions[1:]
            for arm, columns in enumerate(np.split(positions[:-1], 2, axis=1)):
                demo[f"obs/robot{arm}_joint_pos"] = columns[:, :ARM_JOINTS]
                demo[f"obs/robot{arm}_gripper_qpos"] = columns[:, ARM_JOINTS:]
                demo[f"obs/robot{arm}_eef_pos"] = wave(3, index)
            for key in CAMERAS.values():
                demo[f"obs/{key}"] = np.full((STEPS, 24, 24, 3), 9, np.uint8)
    return path


def write_description(folder: Path) -> Path:
    """Write a robot whose joints are columns `KEY.INDEX` of the data."""
    arms, columns = {}, {}
    for number, side in enumerate(("left", "right")):
        joints = [f"{side}_a{index}" for index in range(1, ARM_JOINTS + 1)]
        arms[side] = {
            "base": f"{side}_base",
            "tip": f"{side}_tip",
            "controller": f"{side}_controller",
            "joints": joints,
            "gripper": {"joints": [f"{side}_claw"]},
        }
        for index, joint in enumerate((*joints, f"{side}_claw")):
            key = f"robot{number}_joint_pos.{index}"
            state = f"robot{number}_gripper_qpos.0" if joint.endswith("claw") else key
            columns[joint] = {"state": state, "action": f"actions.{7 * number + index}"}
    values = {
        "name": "two_arms",
        "urdf": "two_arms.urdf",
        "arms": arms,
        "command_rate_hz": 250.0,
        "joint_limits": {joint: limits() for joint in columns},
        "home": dict.fromkeys(columns, 0.5),
        "cameras": {camera: {} for camera in CAMERAS},
        "collision_capsules": {},
        "data": {"joints": columns, "cameras": CAMERAS},
    }
    (folder / "two_arms.urdf").write_text(urdf(arms))
    path = folder / "two_arms.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def urdf(arms: dict) -> str:
    """Return a robot whose arms are chains from their base to their tip, with a claw."""
    parts = ['<link name="world"/>']
    for side, arm in arms.items():
        (claw,) = arm["gripper"]["joints"]
        links = [arm["base"], *(f"{joint}_link" for joint in arm["joints"][:-1]), arm["tip"]]
        parts.append(joint_xml(f"{side}_mount", "fixed", "world", arm["base"]))
        parts += map(joint_xml, arm["joints"], ["revolute"] * ARM_JOINTS, links, links[1:])
        parts.append(joint_xml(claw, "revolute", arm["tip"], f"{claw}_link"))
        parts += [f'<link name="{link}"/>' for link in (*links, f"{claw}_link")]
    return f'<robot name="two_arms">{"".join(parts)}</robot>'


def joint_xml(name: str, kind: str, parent: str, child: str) -> str:
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        '<origin xyz="0 0 0.1"/><axis xyz="0 1 0"/>'
        '<limit lower="-1" upper="2" velocity="1" effort="1"/></joint>'
    )
