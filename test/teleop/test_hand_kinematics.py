"""Inverse kinematics of every robot that ships, with the targets' limits."""

import numpy as np
import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.robots.check import urdf_of
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.robot_files import read_robot, robot_names
from dbp_ros.settings.teleop import TeleopConfig
from dbp_ros.teleop.hand_kinematics import HandKinematics
from dbp_ros.teleop.poses import difference
from dbp_ros.teleop.target_motion import TargetMotion
from dbp_ros.types import NS_PER_S

CONFIG = TeleopConfig(hand_speed=1.0, hand_turn_speed=3.0, velocity_share=0.8)
DT = 1.0 / CONFIG.teleop_rate_hz
PERIOD_NS = round(NS_PER_S * DT)
MAX_ERROR_M, MAX_ERROR_RAD = 1e-3, np.deg2rad(0.5)
REACHES = 3
STEPS = 500


@pytest.fixture(scope="module", params=robot_names())
def robot(request: pytest.FixtureRequest) -> RobotDescription:
    return read_robot(str(request.param))


@pytest.fixture(scope="module")
def motion(robot: RobotDescription) -> TargetMotion:
    return TargetMotion(robot, urdf_of(robot.name), CONFIG)


def arm_columns(robot: RobotDescription, arm: str) -> np.ndarray:
    return np.array([robot.joints.index(joint) for joint in robot.arms[arm].joints])


def reachable(robot: RobotDescription, rng: np.random.Generator) -> np.ndarray:
    """Return positions around the start pose, within the limits."""
    low, high = (np.array(robot.limits(name)) for name in ("min_position", "max_position"))
    margin = 0.02 * (high - low)
    around = np.array(robot.home_positions) + rng.uniform(-0.35, 0.35, len(low))
    return np.clip(around, low + margin, high - margin)


def arrived(pose: np.ndarray, goal: np.ndarray) -> bool:
    offset, turn = map(np.linalg.norm, difference(pose, goal))
    return bool(offset < MAX_ERROR_M and turn < MAX_ERROR_RAD)


def test_the_poses_are_those_of_the_urdf(robot: RobotDescription, motion: TargetMotion) -> None:
    tips = [arm.tip for arm in robot.arms.values()]
    kinematics = Kinematics(urdf_of(robot.name), robot.joints, tips)
    for seed in range(5):
        positions = reachable(robot, np.random.default_rng(seed))
        expected = kinematics.poses(positions)
        for k, pose in enumerate(motion.kinematics.poses(positions).values()):
            np.testing.assert_allclose(pose, expected[k], atol=1e-9)


def test_reachable_poses_are_reached_within_the_limits(
    robot: RobotDescription, motion: TargetMotion
) -> None:
    rng = np.random.default_rng(1)
    low, high = (np.array(robot.limits(name)) for name in ("min_position", "max_position"))
    velocity = CONFIG.velocity_share * np.array(robot.limits("max_velocity"))
    acceleration = CONFIG.acceleration_share * np.array(robot.limits("max_acceleration"))
    motion.start(np.array(robot.home_positions))
    now_ns = NS_PER_S
    path = [motion.positions]
    for _ in range(REACHES):
        goals = motion.kinematics.poses(reachable(robot, rng))
        for arm, pose in goals.items():
            motion.set_hand_target(arm, pose, now_ns)
        for _ in range(STEPS):
            now_ns += PERIOD_NS
            for arm in goals:
                motion.keep_alive(arm, now_ns)
            motion.step(now_ns)
            path.append(motion.positions)
            if all(
                map(arrived, motion.kinematics.poses(motion.positions).values(), goals.values())
            ):
                break
        else:
            pytest.fail(f"a pose is not reached in {STEPS} steps")
    positions = np.array(path)
    speeds = np.diff(positions, axis=0) / DT
    assert (positions >= low - 1e-9).all()
    assert (positions <= high + 1e-9).all()
    assert (np.abs(speeds) <= velocity + 1e-6).all()
    assert (np.abs(np.diff(speeds, axis=0)) / DT <= acceleration + 1e-3).all()
    assert motion.kinematics.failures == 0


def test_an_unreachable_pose_is_approached_within_the_limits_and_the_arms_rest(
    robot: RobotDescription, motion: TargetMotion
) -> None:
    motion.start(np.array(robot.home_positions))
    arm = motion.arms[0]
    pose = motion.kinematics.poses(motion.positions)[arm].copy()
    pose[:3, 3] += [3.0, 0.0, 0.0]
    low, high = (np.array(robot.limits(name)) for name in ("min_position", "max_position"))
    for step in range(150):
        motion.set_hand_target(arm, pose, NS_PER_S + step * PERIOD_NS)
        motion.step(NS_PER_S + (step + 1) * PERIOD_NS)
        assert (motion.positions >= low - 1e-9).all()
        assert (motion.positions <= high + 1e-9).all()
    for step in range(150):
        motion.step(10 * NS_PER_S + step * PERIOD_NS)
    assert np.abs(motion.velocity).max() < 1e-6


def test_only_the_arm_of_the_target_moves(robot: RobotDescription, motion: TargetMotion) -> None:
    motion.start(np.array(robot.home_positions))
    moving, still = motion.arms[:2]
    before = motion.positions
    motion.set_twist(moving, np.array([0.0, 0.0, 0.2, 0.0, 0.0, 0.0]), NS_PER_S)
    for step in range(15):
        motion.step(NS_PER_S + step * PERIOD_NS)
    change = np.abs(motion.positions - before)
    assert change[arm_columns(robot, moving)].max() > 1e-3
    assert change[arm_columns(robot, still)].max() == 0.0


def test_nothing_moves_without_an_input(robot: RobotDescription, motion: TargetMotion) -> None:
    start = reachable(robot, np.random.default_rng(3))
    motion.start(start)
    for step in range(50):
        motion.step(NS_PER_S + step * PERIOD_NS)
        np.testing.assert_array_equal(motion.positions, start)


def test_a_hand_that_a_gripper_moves_is_refused() -> None:
    robot = read_robot("ur5e_dual")
    urdf = urdf_of("ur5e_dual")
    finger = next(
        joint.child for joint in urdf.joints.values() if joint.name == robot.gripper_joints[0]
    )
    arms = dict(robot.arms)
    name = next(iter(arms))
    fields = {key: getattr(arms[name], key) for key in ("joints", "controller", "base", "gripper")}
    arms[name] = type(arms[name])(**fields, tip=finger)
    values = {key: getattr(robot, key) for key in robot.__dataclass_fields__}
    changed = RobotDescription(**{**values, "arms": arms})
    with pytest.raises(ConfigError, match="choose a tip before the gripper"):
        HandKinematics(changed, urdf, np.ones(len(robot.joints)), DT)
