"""Motion of the targets by twists, grippers, a leader arm, and without inputs."""

from dataclasses import replace

import numpy as np
import pytest

from dbp_ros.errors import CommandError, ConfigError
from dbp_ros.robots.check import urdf_of
from dbp_ros.settings.robot import GripperDescription
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.settings.teleop import LeaderJoint, TeleopConfig, check_teleop
from dbp_ros.teleop.leader_arm import LeaderArm
from dbp_ros.teleop.poses import difference, moved, pose_of, rotation_matrix, rotation_vector
from dbp_ros.teleop.target_motion import TargetMotion
from dbp_ros.types import NS_PER_S

ROBOT = read_robot("ur5e_dual")
CONFIG = TeleopConfig()
HOME = np.array(ROBOT.home_positions)
DT = 1.0 / CONFIG.teleop_rate_hz
PERIOD_NS = round(NS_PER_S * DT)
GRIPPER = ROBOT.joints.index("left_gripper_joint")
UP = np.array([0.0, 0.0, 0.1, 0.0, 0.0, 0.0])
# Inputs that do not continue the motion of the left arm.
OTHER_INPUTS = {
    "nothing": lambda motion, now_ns: None,
    "leader": lambda motion, now_ns: motion.leader.add({ROBOT.joints[-1]: 0.04}, now_ns),
    "other arm": lambda motion, now_ns: motion.keep_alive("right", now_ns),
    "gamepad at rest": lambda motion, now_ns: motion.set_opening_speed("left", 0.0, now_ns),
}


class Clock:
    """Steps a motion in its own time."""

    def __init__(self, motion):
        self.motion, self.now_ns = motion, NS_PER_S

    def run(self, seconds, each=lambda now_ns: None):
        path = [self.motion.positions]
        for _ in range(round(seconds / DT)):
            self.now_ns += PERIOD_NS
            each(self.now_ns)
            self.motion.step(self.now_ns)
            path.append(self.motion.positions)
        return np.array(path)


@pytest.fixture
def clock() -> Clock:
    motion = TargetMotion(ROBOT, urdf_of("ur5e_dual"), CONFIG)
    motion.start(HOME)
    return Clock(motion)


def height(motion: TargetMotion) -> float:
    return float(motion.kinematics.poses(motion.positions)["left"][2, 3])


def test_a_twist_moves_the_hand_at_its_speed_and_zero_stops_it(clock: Clock) -> None:
    motion = clock.motion
    clock.run(0.5, lambda now_ns: motion.set_twist("left", UP, now_ns))
    before = height(motion)
    clock.run(0.5, lambda now_ns: motion.set_twist("left", UP, now_ns))
    assert height(motion) - before == pytest.approx(0.05, rel=0.1)
    released = height(motion)
    motion.set_twist("left", np.zeros(6), clock.now_ns)
    clock.run(0.3)
    assert height(motion) - released < 0.01
    assert not motion.velocity.any()


def test_a_twist_that_is_not_repeated_ends_by_its_timeout(clock: Clock) -> None:
    clock.motion.set_twist("left", UP, clock.now_ns)
    clock.run(CONFIG.twist_timeout_s + 0.3)
    assert not clock.motion.velocity.any()
    assert height(clock.motion) > 0.0


def test_a_twist_is_limited_to_the_speed_of_the_hand(clock: Clock) -> None:
    motion = clock.motion
    clock.run(0.3, lambda now_ns: motion.set_twist("left", 50.0 * UP, now_ns))
    before = height(motion)
    clock.run(0.2, lambda now_ns: motion.set_twist("left", 50.0 * UP, now_ns))
    assert height(motion) - before <= 1.05 * 0.2 * CONFIG.hand_speed


def test_a_held_motion_rests_without_a_return(clock: Clock) -> None:
    motion = clock.motion
    clock.run(0.5, lambda now_ns: motion.set_twist("left", 2.0 * UP, now_ns))
    # The twist ends by its own timeout, before the input of the arm does.
    path = clock.run(CONFIG.twist_timeout_s + 0.3)[round(CONFIG.twist_timeout_s / DT) + 1 :]
    steps = np.diff(path, axis=0)
    assert not motion.velocity.any()
    # No joint reverses its direction by more than a rounding error.
    first = np.sign(steps[0])
    assert (steps * first >= -1e-6).all()


def test_speed_scaling_slows_every_input(clock: Clock) -> None:
    motion = clock.motion
    motion.scale_speed(0.1)
    path = clock.run(1.0, lambda now_ns: motion.set_twist("left", 5.0 * UP, now_ns))
    limits = 0.1 * CONFIG.velocity_share * np.array(ROBOT.limits("max_velocity"))
    assert (np.abs(np.diff(path, axis=0)) / DT <= limits + 1e-9).all()
    assert height(motion) > 0.0


def test_an_opening_share_moves_the_gripper_between_its_limits(clock: Clock) -> None:
    motion = clock.motion
    clock.run(2.0, lambda now_ns: motion.set_opening("left", 0.0, now_ns))
    assert motion.positions[GRIPPER] == pytest.approx(0.0, abs=1e-4)
    clock.run(2.0, lambda now_ns: motion.set_opening("left", 0.5, now_ns))
    assert motion.positions[GRIPPER] == pytest.approx(0.0425, abs=1e-4)
    motion.set_opening_speed("left", 1.0, clock.now_ns)
    clock.run(1.0)
    # The speed has ended by its timeout.
    assert 0.0425 < motion.positions[GRIPPER] < 0.0425 + 0.085 * 0.3
    np.testing.assert_array_equal(motion.positions[7:], HOME[7:])


def test_a_gripper_that_is_closed_at_its_upper_limit_is_inverted() -> None:
    arm = ROBOT.arms["left"]
    gripper = GripperDescription(("left_gripper_joint",), closed_at_upper=("left_gripper_joint",))
    robot = replace(ROBOT, arms={**ROBOT.arms, "left": replace(arm, gripper=gripper)})
    motion = TargetMotion(robot, urdf_of("ur5e_dual"), TeleopConfig())
    motion.start(np.where(np.arange(len(HOME)) == GRIPPER, 0.04, HOME))
    Clock(motion).run(2.0, lambda now_ns: motion.set_opening("left", 0.0, now_ns))
    assert motion.positions[GRIPPER] == pytest.approx(0.085, abs=1e-4)
    with pytest.raises(ConfigError, match="closed_at_upper has nose, not of the gripper"):
        GripperDescription(("left_gripper_joint",), closed_at_upper=("nose",))


@pytest.mark.parametrize("other", ["nothing", "leader", "other arm", "gamepad at rest"])
def test_a_hand_whose_device_is_silent_comes_to_rest(clock: Clock, other: str) -> None:
    motion, inputs = clock.motion, OTHER_INPUTS[other]
    target = motion.kinematics.poses(motion.positions)["left"].copy()
    target[2, 3] += 1.0
    motion.set_hand_target("left", target, clock.now_ns)
    motion.set_opening("left", 0.0, clock.now_ns)
    clock.run(CONFIG.input_timeout_s, lambda now_ns: inputs(motion, now_ns))
    assert motion.velocity[0:6].any()
    clock.run(1.0, lambda now_ns: inputs(motion, now_ns))
    assert not motion.velocity[:7].any()
    assert height(motion) < target[2, 3] - 0.5
    assert motion.driven == (other in ("leader", "other arm"))


def test_a_hand_moves_to_its_target_while_its_device_is_connected(clock: Clock) -> None:
    motion = clock.motion
    target = motion.kinematics.poses(motion.positions)["left"].copy()
    target[2, 3] += 0.3
    motion.set_hand_target("left", target, clock.now_ns)
    clock.run(3.0, lambda now_ns: motion.keep_alive("left", now_ns))
    assert height(motion) == pytest.approx(target[2, 3], abs=1e-3)


def lead(motion, positions):
    """Return a function that publishes the positions of a leader."""
    names = dict(zip(ROBOT.joints, positions, strict=True))
    return lambda now_ns: motion.leader.add(names, now_ns)


def test_the_arms_move_slowly_to_a_leader_that_is_far_away_and_then_follow_it(clock) -> None:
    motion = clock.motion
    far = HOME + np.where(np.arange(len(HOME)) == GRIPPER, -0.02, 0.4)
    far[13] = HOME[13]
    path = clock.run(1.0, lead(motion, far))
    slow = CONFIG.leader_align_share * np.array(ROBOT.limits("max_velocity"))
    speeds = np.abs(np.diff(path, axis=0)) / DT
    # The last hundredth of a radian is not slow.
    assert (speeds[:, :6] <= 1.3 * slow[:6]).all()
    clock.run(2.0, lead(motion, far))
    np.testing.assert_allclose(motion.positions, far, atol=1e-3)
    nearby = far - np.where(np.arange(len(HOME)) == 0, 0.5, 0.0)
    quick = np.abs(np.diff(clock.run(0.6, lead(motion, nearby)), axis=0)).max() / DT
    assert quick > 2.0 * slow[0]


def test_the_arms_rest_without_messages_of_the_leader(clock: Clock) -> None:
    clock.run(0.5, lead(clock.motion, HOME + np.where(np.arange(14) == 1, 0.4, 0.0)))
    assert clock.motion.velocity.any()
    clock.run(1.0)
    assert not clock.motion.velocity.any()


def test_a_gripper_stays_where_the_leader_moved_it_when_the_leader_is_silent(clock) -> None:
    closed = np.where(np.arange(len(HOME)) == GRIPPER, 0.02, HOME)
    clock.run(3.0, lead(clock.motion, closed))
    led = clock.motion.positions[GRIPPER]
    assert led == pytest.approx(0.02, abs=1e-3)
    clock.run(1.0)
    clock.run(0.5, lambda now_ns: clock.motion.set_twist("left", UP, now_ns))
    assert clock.motion.positions[GRIPPER] == pytest.approx(led, abs=1e-6)


def test_another_input_takes_an_arm_from_the_leader(clock: Clock) -> None:
    motion, start = clock.motion, height(clock.motion)

    def both(now_ns):
        lead(motion, HOME)(now_ns)
        motion.set_twist("left", UP, now_ns)

    clock.run(0.5, both)
    assert height(motion) > start + 0.02
    np.testing.assert_allclose(motion.positions[7:], HOME[7:], atol=1e-6)


def test_the_joints_of_a_leader_are_mapped_with_scale_and_offset() -> None:
    config = TeleopConfig(leader_joints=("pan = b*-1+1.5", "lift=a"))
    assert config.leader() == (LeaderJoint("pan", "b", -1.0, 1.5), LeaderJoint("lift", "a"))
    leader = LeaderArm(("a", "b", "c"), config.leader())
    assert leader.add({"pan": 0.5, "lift": 0.25, "other": 9.0}, 5)
    np.testing.assert_array_equal(leader.positions, [0.25, 1.0, np.nan])
    assert not leader.add({"other": 9.0}, 6)
    assert np.isnan(leader.target(10, 4)).all()
    leader.add({"lift": 0.5}, 10)
    np.testing.assert_array_equal(leader.target(10, 4), [0.5, np.nan, np.nan])
    both = LeaderArm(("a", "b"), TeleopConfig(leader_joints=("grip=a", "grip=b*2")).leader())
    both.add({"grip": 0.1}, 5)
    np.testing.assert_allclose(both.positions, [0.1, 0.2])
    with pytest.raises(ConfigError, match="leader_joints has x, not of the robot"):
        check_teleop(TeleopConfig(leader_joints=("pan=x",)), ROBOT)
    twice = tuple(f"{leader}={ROBOT.joints[0]}" for leader in ("pan", "lift"))
    with pytest.raises(ConfigError, match=f"leader_joints moves {ROBOT.joints[0]} twice"):
        check_teleop(TeleopConfig(leader_joints=twice), ROBOT)
    for wrong in ("pan", "pan=", "pan=b*x"):
        with pytest.raises(ConfigError, match="expected leader=joint"):
            TeleopConfig(leader_joints=(wrong,)).leader()


def test_a_pose_without_a_rotation_is_refused() -> None:
    with pytest.raises(CommandError, match="quaternion of length 0"):
        pose_of(np.zeros(3), np.zeros(4))
    with pytest.raises(CommandError, match="finite"):
        pose_of(np.array([np.nan, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]))


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.4, 3.0, np.pi - 1e-9, np.pi])
def test_a_rotation_vector_round_trips(angle: float) -> None:
    for axis in np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.36, 0.48, 0.8]]):
        matrix = rotation_matrix(angle * axis)
        again = rotation_matrix(rotation_vector(matrix))
        np.testing.assert_allclose(again, matrix, atol=1e-6)


def test_a_quaternion_is_a_turn_about_its_axis() -> None:
    half = 0.3
    pose = pose_of(np.zeros(3), np.array([0.0, 0.0, np.sin(half), np.cos(half)]))
    offset, turn = difference(moved(np.eye(4), np.ones(3), np.zeros(3)), pose)
    np.testing.assert_allclose(offset, -np.ones(3))
    np.testing.assert_allclose(turn, [0.0, 0.0, 2.0 * half])
