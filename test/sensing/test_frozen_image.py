"""A frozen image is told from a still scene, and no false alarm lasts."""

import numpy as np
import pytest

from dbp_ros.sensing.frozen_image import FrozenImage

MS = 1_000_000
PERIOD_MS = 33
AFTER_S, MOTION, RETRY_S = 0.5, 0.2, 4.0
SIZE = (24, 32, 3)
ARM, OTHER = 0, 1


class Robot:
    """Two joints at 0.5 rad/s at most, a camera at 30 Hz, and a policy that stops when refused."""

    def __init__(self, mounted=False):
        self.check = FrozenImage(
            np.array([ARM]) if mounted else np.array([ARM, OTHER]),
            mounted,
            round(AFTER_S * 1e9),
            MOTION,
            round(RETRY_S * 1e9),
        )
        self.ms, self.positions = 0, np.zeros(2, np.float32)
        self.rng = np.random.default_rng(0)
        self.image = self.noise()
        # Joint positions at which a refusal began and ended.
        self.refused_at, self.tried_at = [], []

    def noise(self):
        return self.rng.integers(0, 256, SIZE, np.uint8)

    def scene(self):
        """An image without noise, of which the first joint changes a part."""
        image = np.full(SIZE, 90, np.uint8)
        image[5:9, 7:12] = np.uint8(1000 * self.positions[ARM] % 256)
        return image

    def run(self, seconds, see=None, joint=ARM, speed=0.5):
        """Send images for some time, the same one if none is given; move where allowed."""
        for _ in range(round(seconds * 1000 / PERIOD_MS)):
            self.ms += PERIOD_MS
            if not self.check.frozen:
                self.positions = self.positions.copy()
                self.positions[joint] += speed * PERIOD_MS / 1000
            self.image = see() if see else self.image
            before = self.check.frozen
            self.check.see(self.image.copy(), self.positions, self.ms * MS)
            if self.check.frozen != before:
                (self.tried_at if before else self.refused_at).append(self.positions[joint])
        return self.check


def moves(robot, seconds, **how):
    """Return how far the joint moves in some time."""
    joint = how.get("joint", ARM)
    start = robot.positions[joint]
    robot.run(seconds, **how)
    return robot.positions[joint] - start


def test_a_camera_that_never_sees_the_arm_stops_it_once_for_a_moment_and_is_reported():
    robot = Robot()
    assert moves(robot, 60.0) > 0.95 * 60.0 * 0.5
    assert robot.check.refusals == 1
    assert robot.check.suspect
    assert not robot.check.frozen


def test_a_still_scene_that_was_seen_to_change_again_raises_no_alarm():
    robot = Robot()
    robot.run(2.0, robot.scene, speed=0.0)
    robot.run(1.0, robot.scene)
    robot.run(4.0, robot.scene, joint=OTHER)
    assert robot.check.refusals == 0
    assert not robot.check.suspect


def test_a_still_scene_without_alarm_is_reported_in_the_end_until_it_changes():
    robot = Robot()
    robot.run(2.0, robot.scene, speed=0.0)
    robot.run(1.0, robot.scene)
    assert robot.run(10 * AFTER_S + 1.0, robot.scene, joint=OTHER).suspect
    assert not robot.run(0.1, robot.scene).suspect
    assert robot.check.refusals == 0


def test_a_part_of_the_scene_that_moves_with_the_arm_is_no_noise():
    robot = Robot()
    robot.run(5.0, robot.scene)
    robot.run(30.0, robot.scene, joint=OTHER)
    assert robot.check.refusals == 1
    assert not robot.check.frozen


@pytest.mark.parametrize("speed", [0.0, 0.5])
def test_a_camera_that_has_shown_noise_is_refused_for_as_long_as_it_is_frozen(speed):
    robot = Robot()
    robot.run(2.0, robot.noise, speed=speed)
    robot.run(60.0)
    assert robot.check.refusals > 3
    assert not robot.run(0.05, robot.noise).frozen


def test_noise_of_few_pixels_shows_while_the_robot_is_at_rest():
    robot = Robot()

    def speck():
        image = np.zeros(SIZE, np.uint8)
        image[3, 3] = robot.rng.integers(0, 256)
        return image

    robot.run(2.0, speck, speed=0.0)
    robot.run(60.0)
    assert robot.check.refusals > 3


def test_a_wrist_camera_that_was_frozen_from_the_start_is_refused_by_the_motion_of_its_arm():
    robot = Robot(mounted=True)
    robot.run(5.0, joint=OTHER)
    assert robot.check.refusals == 0
    robot.run(5.0)
    assert robot.check.refusals > 0


@pytest.mark.parametrize("mounted", [False, True])
def test_at_each_try_the_arm_moves_no_further_than_a_small_motion(mounted):
    robot = Robot(mounted)
    robot.run(1.0, robot.noise)
    robot.run(60.0)
    tries = zip(robot.tried_at, robot.refused_at[1:], strict=False)
    motions = [refused - tried for tried, refused in tries]
    assert len(motions) > 3
    assert max(motions) < MOTION + 2 * 0.5 * PERIOD_MS / 1000


def test_the_pauses_between_tries_grow_to_a_limit_and_begin_again_with_a_new_image():
    robot = Robot(mounted=True)
    pauses = []
    for _ in range(3000):
        before = robot.check.frozen
        robot.run(PERIOD_MS / 1000)
        if robot.check.frozen and not before:
            start_ms = robot.ms
        elif before and not robot.check.frozen:
            pauses.append((robot.ms - start_ms) / 1000)
    np.testing.assert_allclose(
        pauses[:6], [0.5, 1.0, 2.0, 4.0, 4.0, 4.0], atol=2 * PERIOD_MS / 1000
    )
    robot.run(1.0, robot.noise)
    assert robot.run(AFTER_S + 0.2).frozen
    assert not robot.run(AFTER_S).frozen


def test_while_the_arms_go_on_moving_a_frozen_image_stays_refused():
    robot = Robot(mounted=True)
    robot.run(2.0)
    assert robot.check.frozen
    for _ in range(300):
        robot.positions = robot.positions + np.float32(0.03)
        robot.run(PERIOD_MS / 1000)
        assert robot.check.frozen


def test_a_camera_that_recovers_is_refused_again_when_it_freezes_again():
    robot = Robot()
    for _ in range(3):
        robot.run(1.0, robot.noise)
        assert not robot.check.frozen
        assert robot.run(AFTER_S + 0.2).frozen


def test_a_camera_that_was_frozen_from_the_start_is_known_once_it_has_been_live():
    robot = Robot()
    robot.run(10.0)
    assert robot.check.refusals == 1
    robot.run(6.0, robot.noise)
    robot.run(60.0)
    assert robot.check.refusals > 4


def test_images_of_another_size_are_different_images():
    robot = Robot()
    for size in ((4, 4, 3), (8, 12, 3), (4, 4, 3)):
        robot.run(0.5, lambda size=size: robot.rng.integers(0, 256, size, np.uint8))
        assert not robot.check.frozen
