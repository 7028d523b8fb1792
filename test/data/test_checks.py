"""Checks of episodes: each planted fault is found, and a clean set has none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from dbp_ros.data.checks.cameras import check_cameras
from dbp_ros.data.checks.check_set import check_set
from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.checks.following import measure_following
from dbp_ros.data.checks.joints import check_jumps, check_limits
from dbp_ros.data.checks.stamps import check_stamps
from dbp_ros.data.episode import Episode, episode_path, write_episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.settings.robot_files import read_robot

STEPS, STEP_S, LAG = 90, 0.05, 2
JOINTS = ("shoulder_joint", "elbow_joint", "gripper_joint")


def clean(seed: int = 0, steps: int = STEPS, lag: int = LAG) -> Episode:
    """Return an episode whose joints follow their sinusoidal action by some steps."""
    rng = np.random.default_rng(seed)
    phase, times_s = rng.uniform(0, 6, 3), STEP_S * (np.arange(-20, steps + 20))[:, None]
    path = np.array([0.6, 0.4, 0.03]) * np.sin([1.5, 2.2, 1.9] * times_s + phase)
    states = path[20 - lag : 20 - lag + steps] + 1e-4 * rng.standard_normal((steps, 3))
    return Episode(
        task="toy",
        seed=seed,
        mode="",
        outcome="success",
        termination_reason="success",
        state_names=JOINTS,
        action_names=JOINTS,
        step_s=STEP_S,
        states=states.astype(np.float32),
        actions=path[20 : 20 + steps].astype(np.float32),
        rewards=np.zeros(steps, np.float32),
        stamps_ns=np.rint(1e9 * STEP_S * np.arange(steps)).astype(np.int64),
        images={"wrist": rng.integers(0, 255, (steps, 8, 8, 3), np.uint8)},
    )


def write_set(folder: Path, *episodes: Episode) -> Path:
    for index, one in enumerate(episodes):
        write_episode(episode_path(folder, index), one)
    return folder


def faults(folder: Path) -> list[EpisodeFinding]:
    return [one for one in check_set(open_episodes(folder)) if one.level != "note"]


def changed(field: str, change: Callable[[np.ndarray], None]) -> Episode:
    """Return a clean episode with one array changed in place."""
    values = getattr(clean(), field).copy()
    change(values)
    return replace(clean(), **{field: values})


def test_a_clean_set_has_only_the_note_of_its_lag(tmp_path: Path) -> None:
    (note,) = check_set(open_episodes(write_set(tmp_path, *map(clean, range(4)))))
    assert (note.level, note.field, note.value) == ("note", "lag", "2.0 steps")
    assert "100 ms" in note.sentence


def test_missing_rows_are_counted() -> None:
    one = clean()
    rows_left = np.r_[0:30, 34:STEPS]
    dropped = replace(
        one,
        **{
            name: getattr(one, name)[rows_left]
            for name in ("states", "actions", "rewards", "stamps_ns")
        },
        images={},
    )
    (found,) = check_stamps("a", dropped)
    assert found.sentence.startswith("4 rows are missing in 1 gaps")
    assert (found.episode, found.field, found.value) == ("a", "stamps", "0.2500 s")
    assert found.time_s == pytest.approx(29 * STEP_S)


def test_a_clock_step_is_not_reported_as_missing_rows() -> None:
    def step(stamps_ns: np.ndarray) -> None:
        stamps_ns[40:] += 2_000_000_000

    (found,) = check_stamps("a", changed("stamps_ns", step))
    assert found.sentence.startswith("the clock steps forward")
    assert found.value == "2.0500 s"
    assert found.time_s == pytest.approx(39 * STEP_S)


@pytest.mark.parametrize("back_ns", [50_000_000, 400_000_000])
def test_a_clock_that_stands_still_or_runs_backwards_is_found(back_ns: int) -> None:
    def step(stamps_ns: np.ndarray) -> None:
        stamps_ns[40:] -= back_ns

    (found,) = check_stamps("a", changed("stamps_ns", step))
    assert "does not increase after 1 of 90" in found.sentence
    assert found.time_s == pytest.approx(39 * STEP_S)


def test_stamps_of_another_rate_are_found() -> None:
    (found,) = check_stamps("a", replace(clean(), step_s=0.06))
    assert "0.0500 s apart, but the step of the set is 0.0600 s" in found.sentence


def test_jitter_of_the_stamps_is_no_fault() -> None:
    def jitter(stamps_ns: np.ndarray) -> None:
        stamps_ns += np.random.default_rng(0).integers(-10_000_000, 10_000_000, len(stamps_ns))

    assert not list(check_stamps("a", changed("stamps_ns", jitter)))


def with_images(change: Callable[[np.ndarray], None]) -> Episode:
    images = clean().images["wrist"].copy()
    change(images)
    return replace(clean(), images={"wrist": images})


def freeze(images: np.ndarray) -> None:
    images[20:40] = images[20]


def test_a_frozen_camera_is_found_while_joints_move() -> None:
    (found,) = check_cameras("a", with_images(freeze))
    assert (found.field, found.value) == ("wrist", "0.95 s")
    assert "repeated while joints move" in found.sentence
    assert found.time_s == pytest.approx(20 * STEP_S)


def test_an_equal_image_of_a_still_robot_is_no_fault() -> None:
    still = np.repeat(clean().states[:1], STEPS, axis=0)
    assert not list(check_cameras("a", replace(with_images(freeze), states=still)))


def test_a_camera_that_may_be_still_is_not_compared() -> None:
    assert not list(check_cameras("a", with_images(freeze), may_be_still=("wrist",)))


def test_images_of_a_slower_camera_are_no_fault() -> None:
    def repeat(images: np.ndarray) -> None:
        images[1::2] = images[::2]

    assert not list(check_cameras("a", with_images(repeat)))


@pytest.mark.parametrize(("colour", "kind"), [(0, "black"), (255, "white"), (90, "of one colour")])
def test_images_of_one_colour_are_found(colour: int, kind: str) -> None:
    def cover(images: np.ndarray) -> None:
        images[30:33] = colour

    (found,) = check_cameras("a", with_images(cover))
    assert found.sentence == f"3 of 90 images are {kind}"
    assert found.value == f"brightness {colour} of 255"
    assert found.time_s == pytest.approx(30 * STEP_S)


def jump(states: np.ndarray) -> None:
    states[50:, 1] += 1.5


def test_a_jump_is_found_with_its_joint_and_time() -> None:
    (found,) = check_jumps("a", changed("states", jump))
    assert (found.field, found.time_s) == ("elbow_joint", pytest.approx(49 * STEP_S))
    assert "the state jumps from" in found.sentence
    assert "encoder" in found.fix


def test_a_wrapped_angle_has_its_own_fix() -> None:
    def wrap(states: np.ndarray) -> None:
        states[50:, 1] -= 2 * np.pi

    (found,) = check_jumps("a", changed("states", wrap))
    assert "unwrap" in found.fix


def test_a_gripper_that_is_open_or_closed_does_not_jump() -> None:
    def close(states: np.ndarray) -> None:
        states[:, 2] = np.arange(STEPS) > 40

    assert not list(check_jumps("a", changed("states", close)))


def of_robot(change: Callable[[np.ndarray], None], field: str = "states") -> Episode:
    robot = read_robot("ur5e_dual")
    table = np.tile(np.array(robot.home_positions, np.float32), (STEPS, 1))
    arrays = {"states": table.copy(), "actions": table.copy()}
    change(arrays[field])
    return replace(clean(), state_names=robot.joints, action_names=robot.joints, **arrays)


def test_the_velocity_limit_of_a_robot_defines_a_jump() -> None:
    robot = read_robot("ur5e_dual")
    limit = robot.joint_limits[robot.joints[2]].max_velocity

    def moved(factor: float) -> Episode:
        def change(states: np.ndarray) -> None:
            states[60:, 2] += factor * limit * STEP_S

        return of_robot(change)

    assert not list(check_jumps("a", moved(1.0), robot))
    (found,) = check_jumps("a", moved(2.0), robot)
    assert found.field == robot.joints[2]


@pytest.mark.parametrize(("field", "side"), [("states", "state"), ("actions", "action")])
def test_values_beyond_the_limits_of_a_robot_are_found(field: str, side: str) -> None:
    robot = read_robot("ur5e_dual")
    assert not list(check_limits("a", of_robot(lambda _: None), robot))

    def exceed(table: np.ndarray) -> None:
        table[30, 2] = robot.joint_limits[robot.joints[2]].max_position + 0.5

    (found,) = check_limits("a", of_robot(exceed, field), robot)
    assert (found.field, found.time_s) == (robot.joints[2], pytest.approx(30 * STEP_S))
    assert found.sentence.startswith(f"the {side} is beyond the limits")


@pytest.mark.parametrize("lag", [-3, 0, 1, 4])
def test_the_lag_from_action_to_state_is_measured(lag: int) -> None:
    assert measure_following(clean(lag=lag)).lag == pytest.approx(lag, abs=0.1)


@pytest.mark.parametrize(
    ("lag", "sentence"), [(0, "in the same step or before"), (-2, "or before it"), (8, "late, by")]
)
def test_an_implausible_lag_is_a_fault_of_the_set(tmp_path: Path, lag: int, sentence: str) -> None:
    (found,) = faults(write_set(tmp_path, *(clean(seed, lag=lag) for seed in range(3))))
    assert (found.episode, found.field) == ("", "lag")
    assert sentence in found.sentence


def test_an_episode_with_another_lag_is_named(tmp_path: Path) -> None:
    (found,) = faults(write_set(tmp_path, clean(0), clean(1), clean(2, lag=5)))
    assert (found.episode, found.field, found.value) == ("episode_000002.npz", "lag", "5.0 steps")


def test_a_joint_that_does_not_follow_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def block(states: np.ndarray) -> None:
        states[:, 0] = 0.2 + 1e-3 * rng.standard_normal(STEPS)

    (found,) = faults(write_set(tmp_path, changed("states", block), clean(1), clean(2)))
    assert (found.episode, found.field) == ("episode_000000.npz", "shoulder_joint")
    assert found.sentence == "the state does not follow the action"


def test_relative_actions_are_not_compared_and_this_is_reported(tmp_path: Path) -> None:
    one = replace(clean(), action_names=("x", "y", "z"))
    (note,) = check_set(open_episodes(write_set(tmp_path, one)))
    assert "they share no column" in note.sentence


def test_a_column_that_never_moves_is_found(tmp_path: Path) -> None:
    def still(values: np.ndarray) -> None:
        values[:, 2] = 0.02

    episodes = [replace(clean(seed), states=clean(seed).states.copy()) for seed in range(3)]
    for one in episodes:
        still(one.states)
        still(one.actions)
    found = faults(write_set(tmp_path, *episodes))
    assert [(one.field, one.value) for one in found] == [("gripper_joint", "0.02")] * 2
    assert ["state" in one.sentence for one in found] == [True, False]


def test_a_column_that_moves_in_one_episode_is_no_fault(tmp_path: Path) -> None:
    still = replace(clean(0), states=clean(0).states.copy(), actions=clean(0).actions.copy())
    still.states[:, 2] = still.actions[:, 2] = 0.02
    assert not faults(write_set(tmp_path, still, clean(1)))


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"state_names": ("a", "b", "c")}, "state", "without shoulder_joint"),
        ({"step_s": 0.0502}, "step_s", "a step of 0.0502 s, not 0.05 s"),
        ({"images": {}}, "cameras", "without wrist"),
        (
            {"images": {"wrist": clean().images["wrist"][:, :4]}},
            "cameras",
            "wrist of 4 x 8 x 3, not 8 x 8 x 3",
        ),
    ],
)
def test_an_episode_unlike_the_first_is_found(
    tmp_path: Path, changes: dict, field: str, sentence: str
) -> None:
    found = faults(write_set(tmp_path, clean(0), replace(clean(1), **changes)))
    assert [one.field for one in found] == [field]
    assert sentence in found[0].sentence


@pytest.mark.parametrize(("steps", "kind"), [(20, "short"), (300, "long")])
def test_an_unusual_length_is_found(tmp_path: Path, steps: int, kind: str) -> None:
    found = faults(write_set(tmp_path, clean(0), clean(1), clean(2), clean(3, steps)))
    (length,) = [one for one in found if one.field == "length"]
    assert (length.episode, length.value) == ("episode_000003.npz", f"{steps} steps")
    assert f"unusually {kind}" in length.sentence


@pytest.mark.parametrize(
    ("outcome", "reason", "sentence"),
    [
        ("success", "operator", "no outcome is recorded"),
        ("failure", "cut_off", "the recording was cut off"),
    ],
)
def test_an_episode_without_an_outcome_is_found(
    tmp_path: Path, outcome: str, reason: str, sentence: str
) -> None:
    one = replace(clean(), outcome=outcome, termination_reason=reason)
    (found,) = faults(write_set(tmp_path, one, clean(1)))
    assert (found.episode, found.field) == ("episode_000000.npz", "outcome")
    assert found.sentence == sentence


def test_numbers_that_are_not_finite_are_found(robomimic_file: Path) -> None:
    with h5py.File(robomimic_file, "r+") as file:
        file["data/demo_9/actions"][2, 1] = np.nan
    found = [one for one in faults(robomimic_file) if one.field == "data"]
    assert [one.episode for one in found] == ["demo_9"]
    assert "actions is not finite at step 2" in found[0].sentence
    assert "discard" in found[0].fix


def test_arrays_of_unlike_lengths_are_found(robomimic_file: Path) -> None:
    with h5py.File(robomimic_file, "r+") as file:
        del file["data/demo_10/obs/robot0_eef_pos"]
        file["data/demo_10/obs/robot0_eef_pos"] = np.zeros((3, 2))
    found = [one for one in faults(robomimic_file) if one.field == "data"]
    assert "robot0_eef_pos has 3 rows, expected 5" in found[0].sentence
