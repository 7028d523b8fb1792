"""Checks of one episode: each planted fault is found, and a clean episode has none."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from clean_episodes import STEP_S, STEPS, changed, clean

from dbp_ros.data.checks.cameras import check_cameras
from dbp_ros.data.checks.joints import check_jumps, check_limits
from dbp_ros.data.checks.stamps import check_stamps
from dbp_ros.data.episode import Episode
from dbp_ros.settings.robot_files import read_robot


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
    assert found.sentence.startswith("4 rows are missing, the longest gap of 1")
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


def test_a_small_object_before_a_plain_background_is_no_image_of_one_colour() -> None:
    def place(images: np.ndarray) -> None:
        images[30:33] = 90
        images[30:33, 2, 1:3] = 255

    assert not list(check_cameras("a", with_images(place)))


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
