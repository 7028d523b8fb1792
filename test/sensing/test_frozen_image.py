"""A frozen image is distinguished from a still scene, and false alarms end."""

import numpy as np
import pytest

from dbp_ros.sensing.frozen_image import FrozenImageDetector

MS = 1_000_000
PERIOD_MS = 33
AFTER_S, MOTION, RETRY_S = 0.5, 0.2, 4.0
SIZE = (24, 32, 3)
ARM, OTHER = 0, 1


class Robot:
    """Two joints at up to 0.5 rad/s, a camera at 30 Hz, and a policy that stops on refusal."""

    def __init__(self, mounted=False):
        self.detector = FrozenImageDetector(
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
        self.refused_at, self.retried_at = [], []

    def noise(self):
        return self.rng.integers(0, 256, SIZE, np.uint8)

    def scene(self):
        """An image without noise, part of which the first joint changes."""
        image = np.full(SIZE, 90, np.uint8)
        image[5:9, 7:12] = np.uint8(1000 * self.positions[ARM] % 256)
        return image

    def run(self, seconds, render=None, joint=ARM, speed=0.5):
        """Send rendered images, or the same one, and move unless refused."""
        for _ in range(round(seconds * 1000 / PERIOD_MS)):
            self.ms += PERIOD_MS
            if not self.detector.frozen:
                self.positions = self.positions.copy()
                self.positions[joint] += speed * PERIOD_MS / 1000
            self.image = render() if render else self.image
            before = self.detector.frozen
            self.detector.add_image(self.image.copy(), self.positions, self.ms * MS)
            if self.detector.frozen != before:
                (self.retried_at if before else self.refused_at).append(self.positions[joint])
        return self.detector


def motion_in(robot, seconds, **options):
    """Return the motion of the joint."""
    joint = options.get("joint", ARM)
    start = robot.positions[joint]
    robot.run(seconds, **options)
    return robot.positions[joint] - start


def test_a_camera_without_the_arm_in_view_briefly_stops_the_arm_and_is_reported():
    robot = Robot()
    assert motion_in(robot, 60.0) > 0.95 * 60.0 * 0.5
    assert robot.detector.refusals == 1
    assert robot.detector.suspect
    assert not robot.detector.frozen


def test_a_static_scene_that_changes_later_is_not_reported():
    robot = Robot()
    robot.run(2.0, robot.scene, speed=0.0)
    robot.run(1.0, robot.scene)
    robot.run(4.0, robot.scene, joint=OTHER)
    assert robot.detector.refusals == 0
    assert not robot.detector.suspect


def test_a_long_static_scene_is_reported_until_it_changes():
    robot = Robot()
    robot.run(2.0, robot.scene, speed=0.0)
    robot.run(1.0, robot.scene)
    assert robot.run(10 * AFTER_S + 1.0, robot.scene, joint=OTHER).suspect
    assert not robot.run(0.1, robot.scene).suspect
    assert robot.detector.refusals == 0


def test_motion_in_a_part_of_the_image_is_not_noise():
    robot = Robot()
    robot.run(5.0, robot.scene)
    robot.run(30.0, robot.scene, joint=OTHER)
    assert robot.detector.refusals == 1
    assert not robot.detector.frozen


@pytest.mark.parametrize("speed", [0.0, 0.5])
def test_a_noisy_camera_is_refused_while_it_is_frozen(speed):
    robot = Robot()
    robot.run(2.0, robot.noise, speed=speed)
    robot.run(60.0)
    assert robot.detector.refusals > 3
    assert not robot.run(0.05, robot.noise).frozen


def test_noise_of_few_pixels_is_detected_at_rest():
    robot = Robot()

    def speck():
        image = np.zeros(SIZE, np.uint8)
        image[3, 3] = robot.rng.integers(0, 256)
        return image

    robot.run(2.0, speck, speed=0.0)
    robot.run(60.0)
    assert robot.detector.refusals > 3


def test_a_wrist_camera_frozen_from_the_start_is_refused_when_its_arm_moves():
    robot = Robot(mounted=True)
    robot.run(5.0, joint=OTHER)
    assert robot.detector.refusals == 0
    robot.run(5.0)
    assert robot.detector.refusals > 0


@pytest.mark.parametrize("mounted", [False, True])
def test_each_retry_moves_the_arm_only_slightly(mounted):
    robot = Robot(mounted)
    robot.run(1.0, robot.noise)
    robot.run(60.0)
    tries = zip(robot.retried_at, robot.refused_at[1:], strict=False)
    motions = [refused - tried for tried, refused in tries]
    assert len(motions) > 3
    assert max(motions) < MOTION + 2 * 0.5 * PERIOD_MS / 1000


def test_the_pauses_between_retries_double_to_a_limit_and_restart_with_a_new_image():
    robot = Robot(mounted=True)
    pauses = []
    for _ in range(3000):
        before = robot.detector.frozen
        robot.run(PERIOD_MS / 1000)
        if robot.detector.frozen and not before:
            start_ms = robot.ms
        elif before and not robot.detector.frozen:
            pauses.append((robot.ms - start_ms) / 1000)
    np.testing.assert_allclose(
        pauses[:6], [0.5, 1.0, 2.0, 4.0, 4.0, 4.0], atol=2 * PERIOD_MS / 1000
    )
    robot.run(1.0, robot.noise)
    assert robot.run(AFTER_S + 0.2).frozen
    assert not robot.run(AFTER_S).frozen


def test_a_frozen_image_is_refused_as_long_as_the_arms_move():
    robot = Robot(mounted=True)
    robot.run(2.0)
    assert robot.detector.frozen
    for _ in range(300):
        robot.positions = robot.positions + np.float32(0.03)
        robot.run(PERIOD_MS / 1000)
        assert robot.detector.frozen


def test_a_camera_that_recovers_is_refused_again_when_it_freezes_again():
    robot = Robot()
    for _ in range(3):
        robot.run(1.0, robot.noise)
        assert not robot.detector.frozen
        assert robot.run(AFTER_S + 0.2).frozen


def test_a_camera_frozen_from_the_start_is_classified_once_it_changes():
    robot = Robot()
    robot.run(10.0)
    assert robot.detector.refusals == 1
    robot.run(6.0, robot.noise)
    robot.run(60.0)
    assert robot.detector.refusals > 4


def test_images_of_another_size_are_different_images():
    robot = Robot()
    for size in ((4, 4, 3), (8, 12, 3), (4, 4, 3)):
        robot.run(0.5, lambda size=size: robot.rng.integers(0, 256, size, np.uint8))
        assert not robot.detector.frozen
