"""Training and export from data sets of foreign robots: mapped, or with the units given."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from cli.test_train import SETTINGS
from settings.test_robot import limits

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import Manifest, require_joints
from dbp_ros.cli.main import main
from dbp_ros.data.episode import Episode, episode_path, write_episode
from dbp_ros.settings.robot_files import read_robot

STEPS = 12
ARM_JOINTS = 6


def wave(width: int, seed: int) -> np.ndarray:
    phases = np.random.default_rng(seed).uniform(0, 6, width)
    return np.sin(np.linspace(0, 3, STEPS)[:, None] + phases).astype(np.float32)


@pytest.fixture
def two_arms(tmp_path: Path) -> Path:
    """Return a file of robomimic with 14 joint targets of two arms with grippers."""
    path = tmp_path / "two_arms.hdf5"
    with h5py.File(path, "w") as file:
        for index in range(4):
            demo = file.create_group(f"data/demo_{index}")
            demo["actions"] = 0.5 + 0.4 * wave(14, index)
            for arm in range(2):
                demo[f"obs/robot{arm}_joint_pos"] = wave(ARM_JOINTS, index + arm)
                demo[f"obs/robot{arm}_eef_pos"] = wave(3, index)
                demo[f"obs/robot{arm}_gripper_qpos"] = 0.5 + 0.4 * wave(1, index)
            demo["obs/agentview_image"] = np.full((STEPS, 24, 24, 3), 9, np.uint8)
    return path


def description(folder: Path) -> Path:
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
        "joint_limits": {joint: limits() for joint in columns},
        "home": dict.fromkeys(columns, 0.5),
        "cameras": {"front": {}},
        "collision_capsules": {},
        "data": {"joints": columns},
    }
    values["data"]["cameras"] = {"front": "agentview_image"}
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


def exported(data: Path, folder: Path, *flags: str) -> Manifest:
    words = ["train", "--data", str(data), "--out", str(folder / "run"), *SETTINGS, *flags]
    assert main(words) == 0
    words = ["export", "--run", str(folder / "run"), "--data", str(data)]
    assert main([*words, "--out", str(folder / "model"), "--name", "toy"]) == 0
    return read_bundle(folder / "model").manifest


def test_two_foreign_arms_are_mapped_to_the_joints_of_their_description(
    two_arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    robot = description(tmp_path)
    manifest = exported(two_arms, tmp_path, "--robot", str(robot))
    joints = read_robot(str(robot)).joints
    assert len(joints) == 14
    require_joints(manifest, joints)
    assert manifest.camera_names == ("front",)
    shown = capsys.readouterr().out
    assert "[rad] from the description of the robot: left_a1 to left_a6, left_claw" in shown
    assert "not read: robot0_eef_pos (3), robot1_eef_pos (3)" in shown


def test_without_a_description_what_is_left_is_listed(
    two_arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exported(two_arms, tmp_path).action.meaning == "as_recorded"
    shown = capsys.readouterr().out
    assert "not read: robot0_joint_pos (6), robot1_joint_pos (6)" in shown
    assert "taken as recorded: no policy node runs such a model" in shown


def test_joints_of_one_foreign_arm_are_commanded_once_their_units_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = (*(f"fr3_joint{number}" for number in range(1, 8)), "fr3_finger_joint1")
    scale = np.array([1.0] * 7 + [0.02], np.float32)
    for index in range(4):
        one = Episode(
            task="pour",
            seed=-1,
            mode="",
            outcome="success",
            termination_reason="operator",
            state_names=names,
            action_names=names,
            step_s=0.05,
            states=scale * (wave(8, index) + 1),
            actions=scale * (wave(8, index + 1) + 1),
            rewards=np.zeros(STEPS, np.float32),
            stamps_ns=np.arange(STEPS, dtype=np.int64),
        )
        write_episode(episode_path(tmp_path / "data", index), one)
    words = ["train", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), *SETTINGS]
    assert main(words) == 1
    shown = capsys.readouterr().err
    assert "--units rad\n" in shown
    assert "--gripper-units m or rad\n" in shown
    manifest = exported(tmp_path / "data", tmp_path, "--units", "rad", "--gripper-units", "m")
    require_joints(manifest, names)
    units = [column["unit"] for column in manifest.normaliser["action"].values()]
    assert units == [*["rad"] * 7, "m"]


def test_files_of_aloha_train_and_export_with_their_cameras(tmp_path: Path) -> None:
    folder = tmp_path / "aloha"
    folder.mkdir()
    for index in range(3):
        with h5py.File(folder / f"episode_{index}.hdf5", "w") as file:
            file["action"] = wave(14, index + 1)
            file["observations/qpos"] = wave(14, index)
            file["observations/images/cam_high"] = np.full((STEPS, 24, 24, 3), 9, np.uint8)
    manifest = exported(folder, tmp_path, "--step-s", "0.02")
    assert manifest.camera_names == ("observations.images.cam_high",)
    assert manifest.states[0] == "observations.qpos.0"
    assert "--step-s 0.02" in manifest.made_by["commands"][0]
