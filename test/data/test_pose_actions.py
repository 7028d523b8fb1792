"""Actions that are poses of hands become the joints from which the poses were computed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from toy_episodes import table_episode

from dbp_ros.data.episode import Episode, episode_path, write_episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.rotations import inverse_poses, pose_matrices, rotation_matrices
from dbp_ros.data.selection import Selection
from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.learning.dataset import load_demonstrations
from dbp_ros.robots.arm_solver import ArmSolver
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.pose_mapping import ROTATION_SIZES, PoseColumns
from dbp_ros.settings.robot_files import read_robot, robot_file

ROBOT = read_robot("ur5e_dual")
SOLVER = ArmSolver("ur5e_dual")
STEPS = 40


def paths(seed: int) -> np.ndarray:
    """Return sinusoids around the start pose. Shape (STEPS + 1, joints)."""
    times = np.arange(STEPS + 1)[:, None] / 30
    size = np.where(np.isin(ROBOT.joints, ROBOT.gripper_joints), 0.005, 0.2)
    phases = np.random.default_rng(seed).uniform(0.0, 2 * np.pi, len(ROBOT.joints))
    return np.array(ROBOT.home_positions) + size * (np.sin(2.0 * times + phases) - 1.0)


def vector_of(rotations: np.ndarray) -> np.ndarray:
    """Return axis times angle. Shape (steps, 3)."""
    cosine = np.clip((np.trace(rotations, axis1=1, axis2=2) - 1) / 2, -1, 1)
    angle = np.arccos(cosine)[:, None]
    skew = rotations - np.swapaxes(rotations, 1, 2)
    return angle * np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], 1) / (2 * np.sin(angle))


def quaternion_of(rotations: np.ndarray) -> np.ndarray:
    """Return x, y, z, w. Shape (steps, 4)."""
    vector = vector_of(rotations)
    angle = np.linalg.norm(vector, axis=1, keepdims=True)
    return np.concatenate([np.sin(angle / 2) * vector / angle, np.cos(angle / 2)], 1)


def euler_of(r: np.ndarray) -> np.ndarray:
    pitch = np.arcsin(-r[:, 2, 0])
    return np.stack(
        [np.arctan2(r[:, 2, 1], r[:, 2, 2]), pitch, np.arctan2(r[:, 1, 0], r[:, 0, 0])], 1
    )


DESCRIPTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "quaternion_xyzw": quaternion_of,
    "quaternion_wxyz": lambda r: np.roll(quaternion_of(r), 1, axis=1),
    "rotation_vector": vector_of,
    "euler_xyz": euler_of,
    "rotation_6d": lambda r: np.swapaxes(r[:, :, :2], 1, 2).reshape(len(r), 6),
    "rotation_6d_rows": lambda r: r[:, :2].reshape(len(r), 6),
}


def joints_of(arm: str, values: np.ndarray) -> np.ndarray:
    return values[:, [ROBOT.joints.index(joint) for joint in ROBOT.arms[arm].joints]]


def mapping_of(arm: str, rotation: str, **values: Any) -> dict[str, Any]:
    columns = [f"{arm}.r{k}" for k in range(ROTATION_SIZES[rotation])]
    return {
        "position": [f"{arm}.{axis}" for axis in "xyz"],
        "rotation": rotation,
        "rotation_columns": columns,
        **values,
    }


IDENTITY = np.eye(4)


def write_set(
    folder: Path,
    rotation: str,
    values: Mapping[str, Any],
    change: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda poses, measured: poses,
    frame: np.ndarray | None = None,
    offset: np.ndarray = IDENTITY,
) -> tuple[Selection, list[np.ndarray]]:
    """Write poses of the hands of recorded joints, and a description that maps them.

    Args:
        folder: Folder to write to.
        rotation: Kind of the rotation.
        values: Further values of the mapping of each arm.
        change: Returns the recorded poses by those of the action and of the state.
        frame: Frame of the poses in the base of each arm.
        offset: Pose of the tip in the recorded hand.

    Returns:
        Selection that reads the set, and the joints of each episode.
    """
    whole = []
    for index in range(2):
        path = paths(index)
        columns: dict[str, np.ndarray] = {}
        for arm in ROBOT.arms:
            base = np.linalg.inv(SOLVER.frame(arm, "world") if frame is None else frame)
            tips = base @ SOLVER.tips(arm, joints_of(arm, path)) @ np.linalg.inv(offset)
            recorded = change(tips[1:], tips[:-1])
            described = DESCRIPTIONS[rotation](recorded[:, :3, :3])
            poses = np.concatenate([recorded[:, :3, 3], described], axis=1)
            names = [*(f"{arm}.{a}" for a in "xyz"), *(f"{arm}.r{k}" for k in range(9))]
            columns |= dict(zip(names, poses.T, strict=False))
            gripper = ROBOT.arms[arm].gripper_joints[0]
            columns[gripper] = path[1:, ROBOT.joints.index(gripper)]
        write_episode(episode_path(folder / "set", index), hand_episode(path, columns))
        whole.append(path)
    description = yaml.safe_load(robot_file("ur5e_dual").read_text())
    description["urdf"] = str(robot_file("ur5e_dual").parent / description["urdf"])
    description["data"] = {
        "poses": {arm: mapping_of(arm, rotation, **values) for arm in ROBOT.arms}
    }
    (folder / "robot.yaml").write_text(yaml.safe_dump(description))
    return Selection(robot=str(folder / "robot.yaml")), whole


def hand_episode(path: np.ndarray, columns: Mapping[str, np.ndarray]) -> Episode:
    """Return an episode with measured joints and the columns of the action."""
    made = table_episode(np.zeros(STEPS), dict.fromkeys(ROBOT.joints, 0.0), {"x": 0.0})
    return replace(
        made,
        states=path[:-1].astype(np.float32),
        action_names=tuple(columns),
        actions=np.stack(list(columns.values()), axis=1).astype(np.float32),
    )


def check(folder: Path, selection: Selection, whole: list[np.ndarray]) -> None:
    episodes = open_episodes(folder / "set", selection, ArmSolver)
    for index, path in enumerate(whole):
        found = episodes.read(index)
        assert found.action_names == ROBOT.joints
        np.testing.assert_allclose(found.actions, path[1:], atol=1e-4)
        np.testing.assert_allclose(found.states, path[:-1], atol=1e-6)


@pytest.mark.parametrize("rotation", DESCRIPTIONS)
def test_absolute_poses_become_the_joints_that_have_them(tmp_path: Path, rotation: str) -> None:
    values = {"frame": "world", "offset": [0.0, 0.02, -0.1], "offset_rpy": [0.1, 0.2, -0.3]}
    turn = rotation_matrices(np.array(values["offset_rpy"]), "euler_xyz")
    offset = pose_matrices(np.array(values["offset"]), turn)
    check(tmp_path, *write_set(tmp_path, rotation, values, offset=offset))


def test_changes_of_the_measured_pose_become_joints(tmp_path: Path) -> None:
    scales = {"kind": "delta", "position_scale": 0.05, "rotation_scale": 0.5}

    def change(poses: np.ndarray, measured: np.ndarray) -> np.ndarray:
        turned = vector_of(poses[:, :3, :3] @ np.swapaxes(measured[:, :3, :3], 1, 2)) / 0.5
        moved = (poses[:, :3, 3] - measured[:, :3, 3]) / 0.05
        return pose_matrices(moved, rotation_matrices(turned, "rotation_vector"))

    check(tmp_path, *write_set(tmp_path, "rotation_vector", scales, change, IDENTITY))


def test_changes_along_the_axes_of_the_hand_become_joints(tmp_path: Path) -> None:
    values = {"kind": "delta", "delta_frame": "hand"}

    def change(poses: np.ndarray, measured: np.ndarray) -> np.ndarray:
        return inverse_poses(measured) @ poses

    written = write_set(tmp_path, "quaternion_wxyz", values, change, IDENTITY)
    check(tmp_path, *written)
    data = load_demonstrations(tmp_path / "set", written[0])
    assert data.action_names == ROBOT.joints
    assert not data.unused


def test_poses_out_of_reach_are_refused_with_episode_step_and_distance(tmp_path: Path) -> None:
    selection, _ = write_set(tmp_path, "rotation_6d", {"unit": "mm"}, frame=IDENTITY)
    message = (
        r"episode_000000.npz: the hand of arm left does not reach \d+ of 40 poses .* at step \d+ "
        r"it is \d+\.\d mm and .* rad away, allowed are 2 mm and 0.02 rad: check frame, offset"
    )
    with pytest.raises(EpisodeError, match=message):
        open_episodes(tmp_path / "set", selection, ArmSolver).read(0)
    with pytest.raises(EpisodeError, match=r"the actions of arm left are poses in data\.poses"):
        open_episodes(tmp_path / "set", selection).read(0)


def test_a_missing_column_and_a_wrong_rotation_are_refused(tmp_path: Path) -> None:
    selection, _ = write_set(tmp_path, "quaternion_xyzw", {}, frame=IDENTITY)
    file = Path(selection.robot)
    content = yaml.safe_load(file.read_text())
    content["data"]["poses"]["left"]["rotation_columns"][0] = "left.qx"
    file.with_name("missing.yaml").write_text(yaml.safe_dump(content))
    missing = Selection(robot=str(file.with_name("missing.yaml")))
    with pytest.raises(EpisodeError, match=r"no action 'left\.qx' for the hand of arm left"):
        open_episodes(tmp_path / "set", missing, ArmSolver).read(0)
    short = np.array([[0.0, 0.0, 0.0, 1.0], [0.5, 0.0, 0.0, 0.0]])
    with pytest.raises(EpisodeError, match=r"a quaternion at step 1 has length 0\.5, expected 1"):
        rotation_matrices(short, "quaternion_xyzw")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"rotation_columns": ["a", "b", "c"]}, "has 3 columns, expected 4 for quaternion_xyzw"),
        ({"rotation_scale": 0.5}, "rotation_scale is 0.5 with quaternion_xyzw, expected 1"),
        ({"position": ["left.x", "left.x", "left.z"]}, "column left.x is used twice"),
        ({"rotation": "matrix"}, "rotation is 'matrix', expected one of quaternion_xyzw"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(values: dict, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        from_mapping(PoseColumns, {**mapping_of("left", "quaternion_xyzw"), **values})
