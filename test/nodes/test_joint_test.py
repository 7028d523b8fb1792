"""What the joint test concludes from the measured motion."""

from collections.abc import Callable

import numpy as np

from dbp_ros.guard_state import GuardMode, GuardState
from dbp_ros.motion.joint_sweeps import JointSweeps
from dbp_ros.nodes.joint_test import JointMotion, SweepRecorder

JOINTS = ["shoulder", "elbow", "gripper"]
START = np.array([0.0, 0.5, 0.04])
TRACKING = GuardState(GuardMode.TRACKING)
HOLDING = GuardState(GuardMode.HOLDING, "joint states are stale")


def measured(robot: Callable[[np.ndarray], np.ndarray]) -> list[JointMotion]:
    """Return the motions of a robot whose positions are a function of the commanded ones."""
    lower, upper = np.array([-2.0, -2.0, 0.0]), np.array([2.0, 2.0, 0.08])
    path = JointSweeps(START, lower, upper, np.full(3, 0.4), np.full(3, 2.0))
    recorder = SweepRecorder(JOINTS, path)
    for time_s in np.arange(0.0, path.duration_s, 0.02):
        recorder.record(time_s, robot(path.positions(np.array([time_s]))[0]), TRACKING)
    return list(recorder.motions())


def problems(robot: Callable[[np.ndarray], np.ndarray]) -> list[str]:
    return [motion.problem for motion in measured(robot)]


def test_a_robot_that_follows_has_no_problem() -> None:
    motions = measured(lambda commanded: START + 0.97 * (commanded - START))
    assert [motion.problem for motion in motions] == ["", "", ""]
    assert [motion.joint for motion in motions] == JOINTS
    np.testing.assert_allclose([m.moved / m.commanded for m in motions], 0.97, atol=1e-3)


def test_a_joint_that_does_not_follow_is_named() -> None:
    found = problems(lambda commanded: np.where([True, False, True], commanded, START))
    assert found[0] == found[2] == ""
    assert "elbow does not follow" in found[1]


def test_an_opposite_sign_is_named() -> None:
    found = problems(lambda commanded: START + [1.0, -1.0, 1.0] * (commanded - START))
    assert "elbow moves in the opposite direction" in found[1]


def test_exchanged_joints_are_named() -> None:
    found = problems(lambda commanded: START + (commanded - START)[[1, 0, 2]])
    assert "a command of shoulder moves elbow" in found[0]
    assert "a command of elbow moves shoulder" in found[1]
    assert found[2] == ""


def test_a_joint_that_stops_the_test_is_the_last_one_that_counts() -> None:
    lower, upper = np.array([-2.0, -2.0, 0.0]), np.array([2.0, 2.0, 0.08])
    path = JointSweeps(START, lower, upper, np.full(3, 0.4), np.full(3, 2.0))
    recorder = SweepRecorder(JOINTS, path)
    for time_s in np.arange(0.0, 0.55 * path.duration_s, 0.02):
        commanded = path.positions(np.array([time_s]))[0]
        recorder.record(time_s, START + [1.0, -0.75, 1.0] * (commanded - START), TRACKING)
    motions = list(recorder.motions())[: recorder.tested]
    assert [motion.joint for motion in motions] == ["shoulder", "elbow"]
    assert motions[0].problem == ""
    assert "elbow moves in the opposite direction" in motions[1].problem


def test_joints_that_move_together_are_named() -> None:
    coupled = np.array([[1.0, 0.0, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = problems(lambda commanded: START + coupled @ (commanded - START))
    assert "a command of shoulder moves elbow" in found[0]
    assert found[1:] == ["", ""]


def test_a_joint_that_the_guard_held_is_not_blamed() -> None:
    lower, upper = np.array([-2.0, -2.0, 0.0]), np.array([2.0, 2.0, 0.08])
    path = JointSweeps(START, lower, upper, np.full(3, 0.4), np.full(3, 2.0))
    recorder = SweepRecorder(JOINTS, path)
    recorder.record(0.0, START, GuardState(GuardMode.HOLDING, "waiting for a chunk"))
    recorder.record(0.5, START + path.amplitude * [1.0, 0.0, 0.0], TRACKING)
    recorder.record(path.duration_s / 2, START, HOLDING)
    recorder.record(path.duration_s, START, TRACKING)
    shoulder, elbow, gripper = recorder.motions()
    assert shoulder.problem == ""
    assert elbow.problem.startswith("elbow was not tested, as the guard was holding: joint states")
    assert "gripper does not follow" in gripper.problem


def test_the_reason_for_the_end_of_a_test_is_named() -> None:
    motion = JointMotion("elbow", 0.1, 0.0, "shoulder", 0.0, 0.0, ended="the guard is disabled")
    assert motion.problem.startswith("elbow does not follow")
    assert motion.problem.endswith("; the test ended: the guard is disabled")
