"""Units of joints: known, asked for, converted, or refused."""

import re
from pathlib import Path

import numpy as np
import pytest
from toy_episodes import table_episode

from dbp_ros.data.episode import DATASET_FILE, Episode, episode_path, write_episode
from dbp_ros.data.selection import Selection
from dbp_ros.data.units import METRES, RADIANS, UNKNOWN, ColumnUnits
from dbp_ros.errors import EpisodeError, TrainingError
from dbp_ros.learning.dataset import Demonstrations, load_demonstrations

FR3 = (*(f"fr3_joint{number}" for number in range(1, 8)), "fr3_finger_joint1")
CELL = ("left_elbow_joint", "left_gripper_joint")
STEPS = 20


def load(
    folder: Path,
    amplitudes: dict[str, float],
    actions: dict[str, float] | None = None,
    **choice: object,
) -> Demonstrations:
    """Load two episodes in which each column is a sine; a positive one is raised to above 0."""
    actions = amplitudes if actions is None else actions
    (folder / DATASET_FILE).write_text("{}")
    for index in range(2):
        write_episode(episode_path(folder, index), sinusoidal(amplitudes, actions))
    return load_demonstrations(folder, Selection(**choice))


def sinusoidal(states: dict[str, float], actions: dict[str, float]) -> Episode:
    wave = np.sin(np.linspace(0, 6 * np.pi, STEPS, dtype=np.float32))
    return table_episode(wave, states, actions)


@pytest.mark.parametrize("name", ["base_swivel_joint", "access_joint", "level_joint"])
def test_a_joint_whose_name_contains_a_quantity_is_converted(name: str) -> None:
    units = ColumnUnits(arm_unit="deg")
    assert (units.of(name), units.factor(name)) == (RADIANS, np.pi / 180)


@pytest.mark.parametrize(
    "name",
    [
        "velocity_elbow_joint",
        "joint_vel.0",
        "elbowVel",
        "wristPose",
        "qvel_joint",
        "joint_vels",
        "joint_accs.1",
        "joint_sincos",
        "motorvel",
    ],
)
@pytest.mark.parametrize("unit", ["by_name", "rad", "deg"])
def test_another_quantity_of_a_joint_is_no_angle(name: str, unit: str) -> None:
    units = ColumnUnits(arm_unit=unit)
    assert (units.of(name), units.factor(name)) == (UNKNOWN, 1.0)


def test_names_without_a_unit_are_asked_for_with_the_flags_that_fit(tmp_path: Path) -> None:
    amplitudes = {**dict.fromkeys(FR3, 1.5), "fr3_finger_joint1": 0.04}
    with pytest.raises(TrainingError) as error:
        load(tmp_path, amplitudes)
    text = str(error.value)
    assert text.startswith(f"{tmp_path}: the units of these columns are not known:")
    assert re.search(
        r"state and action fr3_joint1 runs from -1\.49\d* to 1\.49\d*: may be radians", text
    )
    assert "--units rad\n" in text
    assert "--gripper-units m or rad\n" in text
    assert "--robot NAME" in text
    assert "--units as_recorded" in text


def test_the_flags_that_are_asked_for_are_accepted(tmp_path: Path) -> None:
    amplitudes = {**dict.fromkeys(FR3, 1.5), "fr3_finger_joint1": 0.04}
    found = load(tmp_path, amplitudes, units="rad", gripper_units="m")
    assert found.units.of("fr3_joint7") == RADIANS
    assert found.units.of("fr3_finger_joint1") == METRES


def test_a_gripper_named_as_a_joint_is_asked_for_too(tmp_path: Path) -> None:
    amplitudes = {"left_elbow_joint": 1.0, "gripper0_right_finger_joint": 0.8}
    with pytest.raises(TrainingError, match=r"finger_joint runs .* may be radians or") as error:
        load(tmp_path, amplitudes)
    assert "--gripper-units rad\n" in str(error.value)
    assert "--units rad" not in str(error.value)
    found = load(tmp_path, amplitudes, gripper_units="rad")
    assert found.units.of("gripper0_right_finger_joint") == RADIANS
    assert found.units.is_gripper("gripper0_right_finger_joint")


def test_degrees_in_names_of_radians_are_refused_and_converted(tmp_path: Path) -> None:
    amplitudes = dict.fromkeys(CELL, 57.3)
    with pytest.raises(TrainingError) as error:
        load(tmp_path, amplitudes)
    text = str(error.value)
    assert "left_elbow_joint runs from -57.1 to 57.1, which cannot be an angle in [rad]" in text
    assert "left_gripper_joint runs from -57.1 to 57.1, which cannot be a gripper in [m]" in text
    assert "may be degrees or normalised to -100 to 100" in text
    assert "--units deg: converted on reading" in text
    assert "--gripper-units deg" in text
    found = load(tmp_path, amplitudes, units="deg", gripper_units="deg")
    assert np.ptp(found.states, axis=0) == pytest.approx(2 * np.radians(57.3), abs=1e-2)
    assert np.ptp(found.actions, axis=0) == pytest.approx(2 * np.radians(57.3), abs=1e-2)


@pytest.mark.parametrize(
    ("amplitude", "expected"),
    [(99.0, "degrees or normalised to -100 to 100"), (170.0, "degrees"), (4000.0, "motor ticks")],
)
def test_the_error_lists_what_the_values_may_be(
    tmp_path: Path, amplitude: float, expected: str
) -> None:
    with pytest.raises(TrainingError, match=f"may be {expected}\n|may be {expected} or"):
        load(tmp_path, {"shoulder_pan.pos": amplitude})


def test_ticks_are_mapped_or_left_as_recorded_but_not_converted(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as error:
        load(tmp_path, {"left_elbow_joint": 4000.0})
    assert "--units rad" not in str(error.value)
    assert "--units deg" not in str(error.value)
    with pytest.raises(TrainingError, match="runs from -3986 to 3986, which cannot be an angle"):
        load(tmp_path, {"left_elbow_joint": 4000.0}, units="deg")
    found = load(tmp_path, {"left_elbow_joint": 4000.0}, units="as_recorded")
    assert found.units.of("left_elbow_joint") == UNKNOWN


def test_actions_of_a_hand_train_without_a_question(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        {"robot0_eef_pos.0": 0.5, "robot0_joint_pos.0": 1.0, "robot0_gripper_qpos.0": 0.04},
        {"actions.0": 1.0, "gripper": 1.0},
    )
    assert [found.units.of(name) for name in found.action_names] == [UNKNOWN, UNKNOWN]


def test_every_action_needs_a_unit_if_one_is_a_joint(tmp_path: Path) -> None:
    amplitudes = {"left_elbow_joint": 1.0, "base_x": 0.5}
    with pytest.raises(TrainingError, match=r"action base_x .*: its name suggests no joint"):
        load(tmp_path, amplitudes)


def test_velocities_of_joints_need_no_unit(tmp_path: Path) -> None:
    states = {"left_elbow_joint": 1.0, "robot0_joint_vel.0": 90.0}
    assert load(tmp_path, states, {"left_elbow_joint": 1.0}).episodes == 2


@pytest.mark.parametrize("choice", [{"units": "deg"}, {"gripper_units": "m"}])
def test_units_of_no_column_are_refused(tmp_path: Path, choice: dict[str, str]) -> None:
    with pytest.raises(TrainingError, match=r"the name of no column suggests .*actions\.0"):
        load(tmp_path, {"object.0": 1.0}, {"actions.0": 1.0}, **choice)


@pytest.mark.parametrize(
    "choice", [{"robot": "aloha", "units": "rad"}, {"units": "as_recorded", "gripper_units": "m"}]
)
def test_units_that_exclude_each_other_are_refused(choice: dict[str, str]) -> None:
    with pytest.raises(EpisodeError, match=r"units is .*(leave out|description only)"):
        Selection(**choice)


def test_only_the_chosen_values_are_stored() -> None:
    assert Selection().to_dict() == {}
    assert Selection(units="deg", state=()).to_dict() == {"units": "deg", "state": []}


def test_a_gripper_of_a_description_that_turns_is_in_radians() -> None:
    units = ColumnUnits.of_selection(Selection(robot="so101_dual"))
    assert units.of("left_gripper") == RADIANS
    assert units.is_gripper("left_gripper")
    assert not units.is_gripper("left_wrist_flex")
    sliding = ColumnUnits.of_selection(Selection(robot="aloha"))
    assert sliding.of("follower_left_left_finger") == METRES
