"""Data sets with other names and units than the robot's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from settings.test_robot import one_arm
from toy_episodes import table_episode

from dbp_ros.data.episode import DATASET_FILE, Episode, episode_path, write_episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.robot_mapping import MappedEpisodes, map_episode
from dbp_ros.data.selection import Selection
from dbp_ros.data.units import RADIANS
from dbp_ros.errors import ConfigError, EpisodeError, TrainingError
from dbp_ros.learning.dataset import load_demonstrations
from dbp_ros.settings.data_mapping import DataMapping
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.robot_files import read_robot

STEPS = 6


def robot_with(**data: object) -> RobotDescription:
    return from_mapping(RobotDescription, {**one_arm(), "data": data})


def episode(
    states: dict[str, float], actions: dict[str, float], images: tuple[str, ...] = ()
) -> Episode:
    """Return an episode in which every column goes from its value to zero."""
    fading = np.linspace(1.0, 0.0, STEPS, dtype=np.float32)
    frames = {key: np.zeros((STEPS, 8, 8, 3), np.uint8) for key in images}
    return table_episode(fading, states, actions, images=frames)


def test_names_order_units_signs_and_ranges_are_those_of_the_robot() -> None:
    robot = robot_with(
        state="arm.{joint}",
        action="goal.{joint}",
        unit="deg",
        joints={
            "elbow_joint": {"state": "e", "action": "f", "sign": -1},
            "finger_joint": {"data_range": [100, 0], "robot_range": [-1.0, 2.0]},
        },
    )
    found = map_episode(
        episode(
            {"arm.finger_joint": 100.0, "e": 45.0, "unused": 1.0, "arm.base_joint": 90.0},
            {"f": -45.0, "goal.base_joint": 30.0, "goal.finger_joint": 50.0},
        ),
        robot,
    )
    assert found.state_names == found.action_names == robot.joints
    np.testing.assert_allclose(found.states[0], [np.pi / 2, -np.pi / 4, -1.0], atol=1e-6)
    np.testing.assert_allclose(found.states[-1], [0.0, 0.0, 2.0], atol=1e-6)
    np.testing.assert_allclose(found.actions[0], [np.pi / 6, np.pi / 4, 0.5], atol=1e-6)


def test_deltas_are_added_to_the_measured_positions() -> None:
    robot = robot_with(
        unit="deg",
        action_kind="delta",
        joints={
            "elbow_joint": {"action_kind": "absolute"},
            "finger_joint": {
                "unit": "rad",
                "action_range": [1, -1],
                "robot_range": [-1.0, 2.0],
                "action_kind": "absolute",
            },
        },
    )
    base, elbow, finger = robot.joints
    found = map_episode(
        episode({base: 90.0, elbow: 45.0, finger: 1.5}, {base: 9.0, elbow: 20.0, finger: -1.0}),
        robot,
    )
    np.testing.assert_allclose(found.states[0], [np.pi / 2, np.pi / 4, 1.5], atol=1e-6)
    np.testing.assert_allclose(found.actions[0], [0.55 * np.pi, np.pi / 9, 2.0], atol=1e-6)
    np.testing.assert_allclose(found.actions[-1], [0.0, 0.0, 0.5], atol=1e-6)


def test_cameras_have_the_names_of_the_robot() -> None:
    robot = robot_with(camera="images.{camera}")
    names = dict.fromkeys(robot.joints, 0.5)
    found = map_episode(episode(names, names, ("images.top_camera", "other")), robot)
    assert set(found.images) == {"top_camera", "other"}
    renamed = robot_with(cameras={"top_camera": "observation.images.top"})
    found = map_episode(episode(names, names, ("observation.images.top",)), renamed)
    assert set(found.images) == {"top_camera"}


def test_a_missing_column_and_impossible_values_are_refused() -> None:
    names = dict.fromkeys(one_arm()["joint_limits"], 0.5)
    other = episode({f"p.{name}": 0.5 for name in names}, names)
    with pytest.raises(EpisodeError, match=r"no state 'q\.base_joint' for base_joint: did you"):
        map_episode(other, robot_with(state="q.{joint}"))
    degrees = {**names, "elbow_joint": 57.0}
    with pytest.raises(
        EpisodeError,
        match=r"action elbow_joint runs from 0 to 57, which is 0 to 57 for elbow_joint with "
        r"limits -1 to 2: set unit",
    ):
        map_episode(episode(names, degrees), robot_with())


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"state": "q"}, "state is 'q', expected a pattern with {joint}"),
        ({"unit": "degrees"}, "unit is 'degrees', expected one of rad, deg, m, mm"),
        ({"joints": {"a": {"sign": 0}}}, "sign is 0, expected 1 or -1"),
        ({"joints": {"a": {"data_range": [0, 1]}}}, "robot_range with data_range or action_range"),
        (
            {"joints": {"a": {"data_range": [1, 1], "robot_range": [0, 1]}}},
            "expected two different values",
        ),
        (
            {"joints": {"a": {"data_range": [0, 1], "robot_range": [2, 2]}}},
            r"robot_range is \(2.0, 2.0\), expected two different values",
        ),
        (
            {"joints": {"a": {"data_range": [0, 1], "robot_range": [0, 1], "unit": "deg"}}},
            "not both",
        ),
    ],
)
def test_a_wrong_mapping_is_refused(values: dict, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        from_mapping(DataMapping, values)


@pytest.mark.parametrize("what", ["joints", "cameras"])
def test_a_mapping_of_an_unknown_name_is_refused(what: str) -> None:
    value = {"joints": {"elbo_joint": {}}, "cameras": {"tip_camera": "x"}}[what]
    with pytest.raises(ConfigError, match=rf"data\.{what}\..*did you mean (elbow|top)_"):
        robot_with(**{what: value})


def written(folder: Path, *episodes: Episode) -> Path:
    folder.mkdir()
    (folder / DATASET_FILE).write_text("{}")
    for index, item in enumerate(episodes):
        write_episode(episode_path(folder, index), item)
    return folder


def test_training_reads_a_data_set_in_the_names_of_the_robot(tmp_path: Path) -> None:
    robot = read_robot("so101_dual")
    values = {f"{joint}.pos": 40.0 if "gripper" in joint else 20.0 for joint in robot.joints}
    names = tuple(f"observation.images.{name}" for name in ("top", "left_wrist", "right_wrist"))
    data = written(tmp_path / "data", *[episode(values, values, names)] * 2)
    found = load_demonstrations(data, Selection(robot="so101_dual"))
    assert found.action_names == robot.joints
    assert tuple(found.images) == robot.camera_names
    assert found.units.of("left_shoulder_pan") == RADIANS
    assert found.units.of("left_gripper") == RADIANS
    assert found.units.is_gripper("left_gripper")
    assert found.states[0, 0] == pytest.approx(np.radians(20.0))
    assert found.states[0, 5] == pytest.approx(-0.174533 + 0.4 * (1.74533 + 0.174533), abs=1e-5)


def test_an_angle_that_cannot_be_in_radians_is_refused(tmp_path: Path) -> None:
    values = {"left_elbow_joint": 57.3, "left_gripper_joint": 57.3}
    data = written(tmp_path / "data", episode(values, values))
    with pytest.raises(
        TrainingError,
        match=r"left_elbow_joint runs from 0 to 57\.3, which cannot be an angle",
    ):
        load_demonstrations(data)


def test_the_hash_of_the_data_is_that_of_the_files(tmp_path: Path) -> None:
    robot = robot_with()
    names = dict.fromkeys(robot.joints, 0.5)
    data = written(tmp_path / "data", episode(names, names))
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(one_arm(), sort_keys=False))
    mapped = open_episodes(data, Selection(robot=str(path)))
    assert mapped.sha256() == open_episodes(data).sha256()
    assert mapped.read(0) is not None
    assert replace(mapped.read(0), images={}).state_names == robot.joints


def test_a_changed_mapping_changes_the_hash_of_the_set(tmp_path: Path) -> None:
    values = dict.fromkeys(robot_with().joints, 0.5)
    data = open_episodes(written(tmp_path / "data", episode(values, values)))
    robots = robot_with(), robot_with(unit="deg"), robot_with(joints={"elbow_joint": {"sign": -1}})
    assert len({MappedEpisodes(data, robot).sha256() for robot in robots}) == 3
    assert MappedEpisodes(data, robots[0]).sha256() == data.sha256()


def test_columns_of_no_joint_are_listed(tmp_path: Path) -> None:
    robot = robot_with(state="q.{joint}", action="{joint}")
    values = dict.fromkeys(robot.joints, 0.5)
    states = {**{f"q.{joint}": 0.5 for joint in robot.joints}, "force": 1.0}
    data = written(tmp_path / "data", episode(states, {**values, "grip": 1.0}))
    mapped = MappedEpisodes(open_episodes(data), robot)
    assert mapped.unused == {"state force": (), "action grip": ()}


def test_the_error_of_a_missing_column_is_in_sentences() -> None:
    robot = robot_with(state="zz_{joint}_zz")
    with pytest.raises(EpisodeError, match=r"it has a\. Correct data in the description of"):
        map_episode(episode({"a": 1.0}, {"a": 1.0}), robot)
